"""Data sets by name or by path: digits, MNIST-style and CIFAR files on disk, and `.npz` archives."""

from __future__ import annotations

import os
from pathlib import Path

from inflor.converter.datasets.cifar import load_cifar
from inflor.converter.datasets.dataset import SPLITS, Dataset, make_dataset, split, stratified
from inflor.converter.datasets.idx import load_mnist_style
from inflor.converter.datasets.npz import read_npz
from inflor.converter.errors import InputError

__all__ = ["BUILT_IN", "SPLITS", "Dataset", "load", "split"]

BUILT_IN = ("digits", "mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100")
_DIGITS_MAXIMUM = 16


def load(
    name_or_path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    frame: tuple[int, ...] | None = None,
) -> Dataset:
    """A built-in data set by name, or the `.npz` at a path.

    digits comes with scikit-learn; the others of `BUILT_IN` are looked for in `data_dir`. An `.npz` holds x and y,
    split 80/20 here by class and `seed`, or x_train, y_train, x_test and y_test; optionally class_names. frame: what a
    network takes at a step; an x of [N, T, *frame] is then read as T frames per sample.

    Raises:
        InputError: an unknown name, a missing file (with where it was looked for), or data of the wrong form.
    """
    name = os.fspath(name_or_path)
    if name in BUILT_IN:
        if name == "digits":
            return _digits(seed)
        if data_dir is None:
            raise InputError(
                f"{name} does not come with the package: name the folder that holds its files with --data-dir"
            )
        folder = Path(data_dir)
        if not folder.is_dir():
            raise InputError(f"{folder}: there is no such folder; name the one that holds {name} with --data-dir")
        return load_cifar(name, folder) if name.startswith("cifar") else load_mnist_style(name, folder)
    path = Path(name)
    if not path.is_file():
        raise InputError(f"{name}: no such data set or file; give one of {', '.join(BUILT_IN)} or the path of an .npz")
    return _from_npz(path, seed, frame)


def _digits(seed: int) -> Dataset:
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = (digits.images / _DIGITS_MAXIMUM).astype("float32")
    train, test = stratified(x, digits.target, seed, source="digits")
    return make_dataset("digits", train, test, source="digits", class_names=tuple("0123456789"))


def _from_npz(path: Path, seed: int, frame: tuple[int, ...] | None) -> Dataset:
    arrays = read_npz(path)
    names = None
    if "class_names" in arrays:
        if arrays["class_names"].dtype.kind not in "US" or arrays["class_names"].ndim != 1:
            raise InputError(f"{path}: class_names must be one text per class")
        names = tuple(str(name) for name in arrays["class_names"].astype(str))
    if {"x_train", "y_train", "x_test", "y_test"} <= set(arrays):
        train, test = (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
    elif {"x", "y"} <= set(arrays):
        train, test = stratified(arrays["x"], arrays["y"], seed, source=str(path))
    else:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise InputError(f"{path}: needs the arrays x and y, or x_train, y_train, x_test and y_test; it holds {found}")
    shape = train[0].shape
    frames = frame is not None and shape[1:] != frame and shape[2:] == frame
    return make_dataset(path.stem, train, test, source=str(path), class_names=names, frames=frames)
