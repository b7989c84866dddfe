"""What all neurons that fire have in common: a threshold and a reset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import reset_of
from inflor.converter.primitives.fields import Field, numbers, optional, short
from inflor.converter.primitives.step import Clock, Dynamics, FloatArray, compact

StepRule = Callable[[nir.NIRNode, Clock, str], Dynamics]

FIRE = {
    "v_threshold": Field(numbers, per_element=True, role="threshold"),
    "v_reset": Field(optional(numbers), None, per_element=True, role="potential"),
}
"""The fields of a threshold and of NIR's own reset."""


def check_reset(node: nir.NIRNode, where: str) -> None:
    """Refuse metadata that say no reset we know, for which NIR has no check; complete v_reset, by default 0."""
    if node.v_reset is None:
        node.v_reset = np.zeros_like(node.v_threshold)
    reset = node.metadata.get("reset", "zero")
    if not isinstance(reset, str) or reset not in ("subtract", "zero"):
        raise InputError(f"{where}: metadata 'reset' is {short(reset)}; it is 'subtract' or 'zero'")


def firing(integrate: StepRule) -> StepRule:
    """The step of a neuron that integrates by `integrate`, fires above its threshold and resets."""

    def step(node: nir.NIRNode, clock: Clock, where: str) -> Dynamics:
        threshold, strict = threshold_of(node, "v_threshold")
        kind, value = reset_of(node)
        amount: dict[str, Any] = {"reset_value" if kind == "subtract" else "v_reset": compact(value)}
        return replace(
            integrate(node, clock, where),
            threshold=threshold,
            strict=strict,
            reset=kind,
            refractory=bool(node.metadata.get("refractory", False)),
            **amount,
        )

    return step


def threshold_of(node: nir.NIRNode, field: str) -> tuple[FloatArray, bool]:
    """The threshold, and whether reaching it exactly is not enough.

    A node that says in its metadata that it fires at >= threshold holds, for strict readers, the float just below.
    """
    strict = compact(getattr(node, field))
    if "threshold" in node.metadata:
        reached = compact(np.asarray(node.metadata["threshold"], np.float32))
        below = np.nextafter(reached.astype(np.float32), np.float32(-np.inf))
        if (below == strict.astype(np.float32)).all():
            return reached, False
    return strict, True
