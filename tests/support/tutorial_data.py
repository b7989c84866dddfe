"""Real data for the networks of tutorials: MNIST in several forms, CIFAR-10 and frames of N-MNIST, where they are."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np

DATA = Path(os.environ.get("INFLOR_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
"""Where MNIST, CIFAR-10 and N-MNIST are, if they are anywhere."""
SHAPES = {
    "mnist": (1, 28, 28),
    "flat": (784,),
    "rate": (784,),
    "rows": (28,),
    "cifar10": (3, 32, 32),
    "nmnist": (2, 34, 34),
}
"""Of a sample at one step, by kind."""
TESTED = 1000
"""Samples of the test split."""


MORE = 5000
"""Samples of the test split that say what 8 bits cost, where there are as many: of 1,000 one is a tenth of a point."""


def more(kind: str) -> dict[str, np.ndarray] | None:
    """Further samples of the test split, and a few to go with them as the train split; None where there are none."""
    if kind not in ("mnist", "flat", "rate", "rows"):
        return None
    return _mnist(kind, {"train": 100, "test": MORE})


@cache
def data(kind: str) -> dict[str, np.ndarray]:
    """x and y of both splits, float32; frames [N, T, ...] where the kind has them."""
    if kind == "cifar10":
        return _cifar10()
    if kind == "nmnist":
        return _nmnist()
    return _mnist(kind, {"train": 6000, "test": TESTED})


def _mnist(kind: str, counts: dict[str, int]) -> dict[str, np.ndarray]:
    with np.load(DATA / "mnist.npz") as file:
        found = {key: file[key] for key in file.files}
    shape = {"mnist": (1, 28, 28), "flat": (784,), "rate": (784,), "rows": (28, 28)}[kind]
    for split, count in counts.items():
        x = found[f"x_{split}"][:count].astype(np.float32).reshape(-1, *shape) / 255
        if kind == "rate":
            rng = np.random.default_rng(0)
            x = (rng.random((count, 25, 784), np.float32) < x[:, None]).astype(np.float32)
        found[f"x_{split}"], found[f"y_{split}"] = x, found[f"y_{split}"][:count].astype(np.int64)
    return found


def _cifar10() -> dict[str, np.ndarray]:
    import lzma

    found = {}
    for split, name, count in (("train", "data_batch_1", 6000), ("test", "test_batch", TESTED)):
        with lzma.open(DATA / "cifar10" / f"{name}.bin.xz") as file:
            rows = np.frombuffer(file.read(3073 * count), np.uint8).reshape(-1, 3073)
        found[f"x_{split}"] = rows[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
        found[f"y_{split}"] = rows[:, 0].astype(np.int64)
    return found


def _nmnist() -> dict[str, np.ndarray]:
    """Ten frames of counts for each recording: 5 bytes an event, x, y, polarity and 23 bits of microseconds."""
    found = {}
    for split, folder in (("train", "Train"), ("test", "Test")):
        paths = sorted((DATA / "events" / "nmnist" / folder).glob("*/*.bin"))
        x = np.zeros((len(paths), 10, 2, 34, 34), np.float32)
        for frames, path in zip(x, paths, strict=True):
            raw = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 5).astype(np.int64)
            time = (raw[:, 2] & 127) << 16 | raw[:, 3] << 8 | raw[:, 4]
            step = np.minimum(time * 10 // (time.max() + 1), 9)
            np.add.at(frames, (step, raw[:, 2] >> 7, raw[:, 1], raw[:, 0]), 1)
        order = np.random.default_rng(0).permutation(len(paths))
        found[f"x_{split}"] = x[order]
        found[f"y_{split}"] = np.array([int(p.parent.name) for p in paths])[order]
    return found
