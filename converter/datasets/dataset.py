"""A labelled data set in memory: its checks, its split by class, its scale."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.datasets.layout import Layout, Shape, choose
from inflor.converter.errors import InputError, reason

Samples = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]
SPLITS = ("train", "test", "all")
MAX_CLASSES = 65536
TEST_FRACTION = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class RawData:
    """Samples and labels as files hold them, before anything is checked.

    Attributes:
        source: what an error names: a file, a folder, or the data set.
        train: x, numbers [N, ...], and y, whole numbers [N].
        test: as `train`; None where `train` is still to be split 80/20 by class.
        class_names: one text per class; None for as many classes as the largest label of the train split says.
    """

    source: str
    train: Pair
    test: Pair | None = None
    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Samples and labels, split into train and test.

    Attributes:
        name: of the data set, or of its file without the suffix.
        x_train: float32 [N, *shape], images being [N, C, H, W], in their natural scale (bytes become 0 to 1); or
            [N, T, *shape], frames over time, as they are.
        y_train: int64 [N], each at least 0 and below the number of classes.
        x_test: as `x_train`.
        y_test: as `y_train`.
        class_names: one text per class.
        mean: of the train split, per channel of images, else one value; 0 for frames, which are not scaled.
        std: likewise; 1 for a channel that never changes, and for frames.
        timesteps: T, frames per sample; None for samples without time.
    """

    name: str
    x_train: Samples
    y_train: Labels
    x_test: Samples
    y_test: Labels
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    timesteps: int | None = None

    @property
    def shape(self) -> Shape:
        """The shape of one sample, (C, H, W) or (F,), or of one of its frames."""
        return self.x_train.shape[1 if self.timesteps is None else 2 :]

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    def split(self, part: str) -> tuple[Samples, Labels]:
        """Return (x, y) of the "train" split, the "test" split or "all", train first.

        Raises:
            InputError: there is no such split.
        """
        if part == "train":
            return self.x_train, self.y_train
        if part == "test":
            return self.x_test, self.y_test
        if part == "all":
            return np.concatenate([self.x_train, self.x_test]), np.concatenate([self.y_train, self.y_test])
        raise InputError(f"unknown split {part!r}; choose one of {', '.join(SPLITS)}", option="split")

    def fingerprint(self) -> str:
        """Return the SHA-256 of the train split, by which a resumed training tells whether its data are the same."""
        digest = hashlib.sha256(repr((self.x_train.shape, self.class_names)).encode())
        digest.update(np.ascontiguousarray(self.x_train).data)
        digest.update(np.ascontiguousarray(self.y_train).data)
        return digest.hexdigest()


def make_dataset(
    raw: RawData, *, name: str, seed: int = 0, frame: Shape | None = None, layout: Layout = "auto"
) -> Dataset:
    """Check raw arrays, split them where they are not, bring them to the form of `Dataset`, and measure the scale.

    Bytes are divided by 255, but where no image holds any but 0 and 1, which are spikes or a mask, and in frames over
    time, which are counts: these stay as they are.

    Args:
        raw: the arrays.
        name: of the data set.
        seed: of the split by class.
        frame: what the network takes at a step; None where there is no network yet.
        layout: where images have their channels (see `layout.choose`).

    Raises:
        InputError: shapes that do not match or that can be read in two ways, values that are not finite, labels out of
            range; names `raw.source`.
    """
    source = raw.source
    if raw.test is None:
        train, test = _split_by_class(_checked(raw.train, "", source), seed, source)
    else:
        train, test = (
            _checked(raw.train, " of the train split", source),
            _checked(raw.test, " of the test split", source),
        )
    (x_train, y_train), (x_test, y_test) = train, test
    if x_train.shape[1:] != x_test.shape[1:]:
        raise InputError(f"train samples are {x_train.shape[1:]}, test samples {x_test.shape[1:]}", path=source)
    names = raw.class_names or _numbered(y_train, source)
    for part, y in (("train", y_train), ("test", y_test)):
        if y.min() < 0 or y.max() >= len(names):
            wrong = int(np.flatnonzero((y < 0) | (y >= len(names)))[0])
            raise InputError(
                f"label {y[wrong]} of {part} sample {wrong} is out of range; "
                f"with {len(names)} classes labels are 0 to {len(names) - 1}",
                path=source,
            )
    reading = choose(x_train.shape[1:], layout, frame, source)
    images = not reading.over_time
    scaled = images and any(x.dtype == np.uint8 and x.max(initial=0) > 1 for x in (x_train, x_test))
    samples = {
        part: _floats(reading.arrange(x), f"x of the {part} split", source, scaled=scaled)
        for part, x in (("train", x_train), ("test", x_test))
    }
    mean, std = _scale(samples["train"]) if images else ((0.0,), (1.0,))
    return Dataset(
        name=name,
        x_train=samples["train"],
        y_train=y_train,
        x_test=samples["test"],
        y_test=y_test,
        class_names=names,
        mean=mean,
        std=std,
        timesteps=None if images else x_train.shape[1],
    )


def _checked(pair: Pair, part: str, source: str) -> tuple[npt.NDArray[Any], Labels]:
    """Samples as they are and labels as int64, which belong together."""
    x, y = pair
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise InputError(f"x{part} has shape {x.shape}; needed are samples of some values, [N, ...]", path=source)
    labels = _labels(y, f"y{part}", source)
    if len(x) != len(labels):
        raise InputError(f"x{part} has {len(x)} samples but {len(labels)} labels", path=source)
    if not len(x):
        raise InputError(f"x{part} is empty", path=source)
    return x, labels


def _split_by_class(
    pair: tuple[npt.NDArray[Any], Labels], seed: int, source: str
) -> tuple[tuple[npt.NDArray[Any], Labels], tuple[npt.NDArray[Any], Labels]]:
    """Split 80/20 with every class in both parts in proportion, the same for the same seed."""
    from sklearn.model_selection import train_test_split

    x, y = pair
    try:
        train, test = train_test_split(np.arange(len(y)), test_size=TEST_FRACTION, stratify=y, random_state=seed)
    except ValueError as error:
        mend = "give x_train, y_train, x_test and y_test instead"
        raise InputError(f"cannot be split 80/20 by class ({reason(error)})", path=source, mend=mend) from error
    return (x[train], y[train]), (x[test], y[test])


def _floats(x: npt.NDArray[Any], what: str, source: str, *, scaled: bool) -> Samples:
    """A float32 copy; bytes become 0 to 1 where they are scaled."""
    if x.dtype.kind not in "buif":
        raise InputError(f"{what} has dtype {x.dtype}; numbers are needed", path=source)
    with np.errstate(over="ignore"):  # the check below sees what does not fit
        values = np.array(x, dtype=np.float32, order="C")
    if x.dtype.kind == "f" and not np.isfinite(values).all():
        text = f"{what} has values that are not finite (or beyond float32); clean the data first"
        raise InputError(text, path=source)
    if scaled and x.dtype == np.uint8:
        values /= 255
    return values


def _labels(y: npt.NDArray[Any], what: str, source: str) -> Labels:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(f"{what} has shape {y.shape}; one label per sample, [N], is needed", path=source)
    if y.dtype.kind not in "buif" or (y.dtype.kind == "f" and not (np.isfinite(y) & (y == np.round(y))).all()):
        raise InputError(f"{what} must be whole numbers (dtype {y.dtype})", path=source)
    return y.astype(np.int64)


def _numbered(y: Labels, source: str) -> tuple[str, ...]:
    classes = max(int(y.max()) + 1, 0)
    # A gap of this size is a mistake in the labels, and would make the readout as large.
    if classes > min(MAX_CLASSES, max(len(y), 2)):
        text = f"label {classes - 1} is out of range for {len(y)} samples; number classes from 0"
        raise InputError(text, path=source)
    return tuple(str(label) for label in range(classes))


def _scale(x: Samples) -> tuple[tuple[float, ...], tuple[float, ...]]:
    axes = (0, 2, 3) if x.ndim == 4 else None
    mean = np.atleast_1d(x.mean(axis=axes, dtype=np.float64))
    std = np.atleast_1d(x.std(axis=axes, dtype=np.float64))
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())
