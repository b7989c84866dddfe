"""Which axis of an array of samples holds the channels: said, or what alone fits the network; never guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError

Layout = Literal["auto", "chw", "hwc"]
Shape = tuple[int, ...]
CHANNELS = (1, 2, 3)
"""Usual numbers of channels: grey, events of two polarities, colors."""


@dataclass(frozen=True)
class Reading:
    """One way to read an array of samples.

    Attributes:
        shape: of one sample, or of one of its frames, as a network takes it: channels first.
        over_time: whether the array is [N, T, ...], T frames per sample, instead of [N, ...].
        layout: where the array has the channels; None where it has no axis that could be moved.
    """

    shape: Shape
    over_time: bool = False
    layout: Literal["chw", "hwc"] | None = None

    def arrange(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring the array to [N, *shape], or to [N, T, *shape] over time."""
        if self.layout == "hwc":
            x = np.moveaxis(x, -1, -3)
        return x.reshape(*x.shape[: 2 if self.over_time else 1], *self.shape)

    def __str__(self) -> str:
        channels, *size = self.shape
        return f"{channels} channels of {_by(size)} (`layout='{self.layout}'`)"


def choose(shape: Shape, layout: Layout, frame: Shape | None, source: str) -> Reading:
    """Choose how to read an array [N, *shape].

    With a network, "auto" takes the reading whose samples, or frames over time, are what the network takes. Without
    one (for training) it takes [N, F]; [N, H, W], as images of one channel; and [N, C, H, W] where C is one of
    `CHANNELS` and W is not. Where two readings are left, nothing is chosen.

    Args:
        shape: of one sample of the array.
        layout: "chw", "hwc" or "auto".
        frame: what the network takes at a step; None where no network is known yet.
        source: the file, for the message of an error.

    Returns:
        The reading. Where none gives what the network takes: the array as it is, for the caller to refuse.

    Raises:
        InputError: both layouts are possible (names what each would read), or the number of axes is wrong.
    """
    if layout not in get_args(Layout):
        raise InputError(f"`layout` {layout!r}: choose one of {', '.join(get_args(Layout))}", option="layout")
    samples = [r for r in _readings(shape) if layout in ("auto", r.layout or layout)]
    if frame is None:
        return _without_network(samples, shape, source)
    frames = [r for r in _readings(shape[1:], over_time=True) if layout in ("auto", r.layout or layout)]
    fitting = [reading for reading in samples + frames if reading.shape == frame]
    if len(fitting) > 1 and math.prod(frame) > 1:
        raise _undecided(fitting, shape, source)
    return fitting[0] if fitting else samples[0]


def _readings(shape: Shape, over_time: bool = False) -> list[Reading]:
    """Every way to read samples (or frames) of a shape; the first is the shape as it is."""
    if len(shape) == 3:
        return [Reading(shape, over_time, "chw"), Reading((shape[2], *shape[:2]), over_time, "hwc")]
    grey = [Reading((1, *shape))] if len(shape) == 2 and not over_time else []
    return [Reading(shape, over_time), *grey]


def _without_network(samples: list[Reading], shape: Shape, source: str) -> Reading:
    if len(shape) not in (1, 2, 3):
        needed = "[N, F], [N, H, W], [N, C, H, W] or [N, H, W, C]"
        raise InputError(f"x has samples of shape {shape}; needed is {needed}", path=source)
    if len(shape) == 3 and len(samples) > 1 and (shape[0] not in CHANNELS or shape[2] in CHANNELS):
        raise _undecided(samples, shape, source)
    return samples[-1] if len(shape) == 2 else samples[0]


def _undecided(readings: list[Reading], shape: Shape, source: str) -> InputError:
    text = f"samples of {_by(shape)} are either {' or '.join(map(str, readings))}"
    return InputError(text, path=source, option="layout", mend="say which with `layout`")


def _by(shape: list[int] | Shape) -> str:
    return "x".join(map(str, shape))
