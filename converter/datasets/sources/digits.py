"""The 8x8 handwritten digits that come with scikit-learn: 1797 grey images of 0 to 9, split 80/20 by class."""

from __future__ import annotations

from pathlib import Path

from inflor.converter.datasets.dataset import RawData
from inflor.converter.datasets.registry import Source

_MAXIMUM = 16


def _read(_: Path) -> RawData:
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = (digits.images / _MAXIMUM).astype("float32")
    return RawData(source="digits", train=(x, digits.target), class_names=tuple("0123456789"))


SOURCE = Source(
    name="digits",
    read=_read,
    layout="chw",
    training={"epochs": 40, "batch_size": 64, "learning_rate": 4e-3, "augment": "shift"},
    training_of={
        "convnet": {"channels": 32, "epochs": 30, "learning_rate": 1e-2},
        "resnet8": {"epochs": 20},
    },
)
