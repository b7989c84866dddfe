"""Delay: each element a while later.

y(t) = x(t - delay), 0 before the sample's first step is so old
"""

from __future__ import annotations

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import MAX_TIMESTEPS
from inflor.converter.primitives.base import Primitive, register
from inflor.converter.primitives.fields import Field, not_negative
from inflor.converter.primitives.step import Clock

_PART_OF_STEP = 1e-3


class Delays:
    """The past of a batch at a Delay node."""

    def __init__(self, steps: npt.NDArray[np.int64], like: Tensor, timesteps: int) -> None:
        """Begin a sample, before which there was nothing.

        Args:
            steps: [*shape], whole numbers of steps.
            like: [B, *shape], of the dtype and on the device to compute with.
            timesteps: of the run.
        """
        kept = min(int(steps.max()) + 1, timesteps)
        self.past = torch.zeros((kept, *like.shape), dtype=like.dtype, device=like.device)
        # Whatever is older than the sample is nothing, however much older.
        self.steps = torch.from_numpy(np.minimum(steps, timesteps)).to(like.device).expand(like.shape)
        self.now = 0

    def advance(self, arriving: Tensor, out: Tensor) -> None:
        """One step. out: takes what arrived so many steps ago."""
        kept = len(self.past)
        self.past[self.now % kept] = arriving
        then = self.now - self.steps
        torch.gather(self.past, 0, then.clamp(min=0).remainder(kept).unsqueeze(0), out=out.unsqueeze(0))
        out.masked_fill_(then < 0, 0)
        self.now += 1


def _steps(node: nir.NIRNode, clock: Clock, where: str) -> npt.NDArray[np.int64]:
    steps = np.asarray(node.delay, np.float64) / clock.dt
    whole = np.rint(steps)
    wrong = (np.abs(steps - whole) > _PART_OF_STEP) | (whole > MAX_TIMESTEPS)
    if wrong.any():
        delay = np.asarray(node.delay)[wrong].flat[0]
        raise InputError(
            f"{where}: a delay of {delay:g} is {delay / clock.dt:g} steps of dt = {clock.dt:g}; it must be a whole "
            f"number, at most {MAX_TIMESTEPS}; give another `dt`, or round the delays"
        )
    return whole.astype(np.int64)


def delay_steps(graph: Graph, name: str) -> npt.NDArray[np.int64]:
    """The delays of the Delay node `name` in steps of dt, at its full shape.

    Raises:
        InputError: a delay is not a whole number of steps (to a thousandth), or more steps than a run may have.
    """
    return _steps(graph.nodes[name], Clock(graph.info.dt, graph.info.integration), graph.where(name))


def _start(node: nir.NIRNode, clock: Clock, like: Tensor, timesteps: int, where: str) -> Delays:
    return Delays(_steps(node, clock, where), like, timesteps)


register(
    Primitive(
        node=nir.Delay,
        equation="y(t) = x(t - delay)",
        fields={"delay": Field(not_negative, per_element=True, role="time")},
        state=_start,
    )
)
