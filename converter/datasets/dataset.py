"""A labelled data set in memory, its checks and its split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
SPLITS = ("train", "test", "all")
MAX_CLASSES = 65536
TEST_FRACTION = 0.2


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, split into train and test.

    x_train, x_test: float32 [N, C, H, W] or [N, F] in the data's natural scale (bytes become 0..1), or where timesteps
    is T frames over time, [N, T, *shape], as they are.
    y_train, y_test: int64 [N], 0 <= y < len(class_names).
    mean, std: per channel (one value for [N, F]), of the train split; a channel that never changes has std 1. Frames
    are not scaled: mean 0, std 1.
    """

    name: str
    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    timesteps: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, (C, H, W) or (F,), or of one of its frames."""
        return self.x_train.shape[1 if self.timesteps is None else 2 :]

    @property
    def classes(self) -> int:
        return len(self.class_names)

    def fingerprint(self) -> str:
        """SHA-256 of the train split, so that a resumed training can tell whether it is still the same data."""
        digest = hashlib.sha256(repr((self.x_train.shape, self.class_names)).encode())
        digest.update(np.ascontiguousarray(self.x_train).data)
        digest.update(np.ascontiguousarray(self.y_train).data)
        return digest.hexdigest()


def split(dataset: Dataset, part: str) -> tuple[Images, Labels]:
    """(x, y) of the "train" split, the "test" split or "all", train first.

    Raises:
        InputError: there is no such split.
    """
    if part == "train":
        return dataset.x_train, dataset.y_train
    if part == "test":
        return dataset.x_test, dataset.y_test
    if part == "all":
        return (
            np.concatenate([dataset.x_train, dataset.x_test]),
            np.concatenate([dataset.y_train, dataset.y_test]),
        )
    raise InputError(f"unknown split {part!r}; choose one of {', '.join(SPLITS)}")


def make_dataset(
    name: str,
    train: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    test: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    *,
    source: str,
    class_names: tuple[str, ...] | None = None,
    frames: bool = False,
) -> Dataset:
    """Check two pairs (x, y) of raw arrays, bring them to the form of `Dataset`, and measure the scaling.

    Bytes are divided by 255, [N, H, W] gets a channel axis, [N, H, W, 1 or 3] is turned to channels first; but with
    `frames` x is [N, T, *shape] and stays as it is, bytes being counts. Without `class_names` there are as many classes
    as the largest label of the train split says.

    Raises:
        InputError: shapes that do not match, values that are not finite, labels out of range; names `source`.
    """
    read = _frames if frames else _images
    x_train, x_test = (
        read(x, f"{source}: x of the {part} split") for x, part in ((train[0], "train"), (test[0], "test"))
    )
    y_train, y_test = (
        _labels(y, f"{source}: y of the {part} split") for y, part in ((train[1], "train"), (test[1], "test"))
    )
    for part, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if len(x) != len(y):
            raise InputError(f"{source}: the {part} split has {len(x)} samples but {len(y)} labels")
        if not len(x):
            raise InputError(f"{source}: the {part} split is empty")
    if x_train.shape[1:] != x_test.shape[1:]:
        raise InputError(f"{source}: train samples are {x_train.shape[1:]}, test samples {x_test.shape[1:]}")
    names = class_names or _numbered(y_train, source)
    for part, y in (("train", y_train), ("test", y_test)):
        if y.min() < 0 or y.max() >= len(names):
            wrong = int(np.flatnonzero((y < 0) | (y >= len(names)))[0])
            raise InputError(
                f"{source}: label {y[wrong]} of {part} sample {wrong} is out of range; "
                f"with {len(names)} classes labels are 0 to {len(names) - 1}"
            )
    mean, std = ((0.0,), (1.0,)) if frames else _scaling(x_train)
    timesteps = x_train.shape[1] if frames else None
    return Dataset(name, x_train, y_train, x_test, y_test, names, mean, std, timesteps)


def stratified(
    x: npt.NDArray[Any], y: npt.NDArray[Any], seed: int, *, source: str
) -> tuple[tuple[npt.NDArray[Any], npt.NDArray[Any]], tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Split 80/20 with every class in both parts in proportion, the same for the same seed; (train, test).

    Raises:
        InputError: x and y differ in length, or a class is too small to stand in both parts; names `source`.
    """
    from sklearn.model_selection import train_test_split

    if len(x) != len(y):
        raise InputError(f"{source}: {len(x)} samples but {len(y)} labels")
    labels = _labels(y, f"{source}: y")
    try:
        train, test = train_test_split(np.arange(len(y)), test_size=TEST_FRACTION, stratify=labels, random_state=seed)
    except ValueError as error:
        raise InputError(
            f"{source}: cannot be split 80/20 by class ({error}); give x_train, y_train, x_test and y_test instead"
        ) from error
    return (x[train], labels[train]), (x[test], labels[test])


def _images(x: npt.NDArray[Any], what: str) -> Images:
    if x.ndim not in (2, 3, 4) or 0 in x.shape[1:]:
        raise InputError(f"{what} has shape {x.shape}; needed is [N, F], [N, H, W], [N, C, H, W] or [N, H, W, C]")
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] not in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    images = _floats(x, what)
    if x.dtype == np.uint8:
        images /= 255
    return images


def _frames(x: npt.NDArray[Any], what: str) -> Images:
    if x.ndim < 3 or 0 in x.shape[1:]:
        raise InputError(f"{what} has shape {x.shape}; frames over time are [N, T, ...]")
    return _floats(x, what)


def _floats(x: npt.NDArray[Any], what: str) -> Images:
    """A float32 copy."""
    if x.dtype.kind not in "buif":
        raise InputError(f"{what} has dtype {x.dtype}; numbers are needed")
    with np.errstate(over="ignore"):  # the check below sees what does not fit
        values = np.array(x, dtype=np.float32, order="C")
    if x.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{what} has values that are not finite (or beyond float32); clean the data first")
    return values


def _labels(y: npt.NDArray[Any], what: str) -> Labels:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(f"{what} has shape {y.shape}; one label per sample, [N], is needed")
    if y.dtype.kind not in "buif" or (y.dtype.kind == "f" and not (np.isfinite(y) & (y == np.round(y))).all()):
        raise InputError(f"{what} must be whole numbers (dtype {y.dtype})")
    return y.astype(np.int64)


def _numbered(y: Labels, source: str) -> tuple[str, ...]:
    classes = max(int(y.max()) + 1, 0)
    # A gap of this size is a mistake in the labels, and would make the readout as large.
    if classes > min(MAX_CLASSES, max(len(y), 2)):
        raise InputError(f"{source}: label {classes - 1} is out of range for {len(y)} samples; number classes from 0")
    return tuple(str(label) for label in range(classes))


def _scaling(x: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    axes = (0, 2, 3) if x.ndim == 4 else None
    mean = np.atleast_1d(x.mean(axis=axes, dtype=np.float64))
    std = np.atleast_1d(x.std(axis=axes, dtype=np.float64))
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())
