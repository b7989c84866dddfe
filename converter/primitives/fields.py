"""What the fields of every NIR primitive may be, and their one normal form.

Checks look at one node alone; `inflor.converter.primitives.shapes` looks at what arrives at it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError

Check = Callable[[Any, str], Any]
"""Takes a field's value and where it stands, gives its normal form, raises InputError."""

LARGEST_SIZE = 2**31 - 1
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
MISSING = object()


@dataclass(frozen=True)
class Field:
    """One field of a primitive: how it is checked, and its value where a file leaves it out (MISSING: it must not)."""

    check: Check
    default: Any = MISSING


def numbers(value: Any, where: str, ndim: int | None = None) -> npt.NDArray[Any]:
    """A non-empty array of integers or floats that float32 can hold, of any or of `ndim` dimensions."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise InputError(f"{where} holds {array.dtype}; it takes integers or floats")
    if ndim is not None and array.ndim != ndim:
        raise InputError(f"{where} has shape {list(array.shape)}; it takes {ndim} dimensions")
    if array.size == 0:
        raise InputError(f"{where} is empty (shape {list(array.shape)})")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{where} holds values that are not finite (NaN or infinity); train or export the model again")
    if array.dtype == np.float64 and max(array.max(), -array.min()) > LARGEST_FLOAT32:
        raise InputError(f"{where} holds values beyond float32, in which networks are computed; export the model again")
    return array


def positive(value: Any, where: str) -> npt.NDArray[Any]:
    array = numbers(value, where)
    if not (array > 0).all():
        raise InputError(f"{where} holds {array.min()}; every value must be above 0")
    return array


def not_negative(value: Any, where: str) -> npt.NDArray[Any]:
    array = numbers(value, where)
    if (array < 0).any():
        raise InputError(f"{where} holds {array.min()}; no value may be below 0")
    return array


def not_zero(value: Any, where: str) -> npt.NDArray[Any]:
    array = numbers(value, where)
    if (array == 0).any():
        raise InputError(f"{where} holds 0: such a neuron would never see its input")
    return array


def integers(value: Any, where: str, least: int, count: int | None = None) -> tuple[int, ...]:
    """Whole numbers from `least` on; one number stands for all `count` of them."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim > 1 or array.size == 0:
        raise InputError(f"{where} is {_short(value)}; it takes whole numbers")
    # Python integers: a comparison in a small unsigned dtype could wrap.
    entries = tuple(int(entry) for entry in array.ravel()[: (count or 64) + 1])
    if count is not None and len(entries) == 1:
        entries *= count
    if len(entries) != (count or len(entries)) or len(entries) > 64:
        raise InputError(f"{where} has {array.size} entries; it takes {count or 'at most 64'}")
    for entry in entries:
        if not least <= entry <= LARGEST_SIZE:
            raise InputError(f"{where} holds {entry}; it takes whole numbers from {least} to {LARGEST_SIZE}")
    return entries


def _short(value: Any) -> str:
    array = np.asarray(value)
    return f"an array of {array.dtype} of shape {list(array.shape)}" if array.ndim else repr(array.item())[:80]


def _weights(ndim: int) -> Check:
    return lambda value, where: numbers(value, where, ndim)


def _vector(value: Any, where: str) -> npt.NDArray[Any]:
    return numbers(value, where, 1)


def _sizes(count: int, least: int) -> Check:
    return lambda value, where: integers(value, where, least, count)


def _one(least: int) -> Check:
    return lambda value, where: integers(value, where, least, 1)[0]


def _padding(count: int) -> Check:
    def check(value: Any, where: str) -> str | tuple[int, ...]:
        if isinstance(value, str):
            if value not in ("same", "valid"):
                raise InputError(f"{where} is {value[:80]!r}; it takes numbers, 'same' or 'valid'")
            return value
        return integers(value, where, 0, count)

    return check


def _optional(check: Check) -> Check:
    return lambda value, where: None if value is None else check(value, where)


def _dimension(value: Any, where: str) -> int:
    return integers(value, where, -64, 1)[0]


def _shape(key: str) -> Check:
    """The shape in the one entry of an input_type or output_type, or None where there is none."""

    def check(value: Any, where: str) -> tuple[int, ...] | None:
        if isinstance(value, Mapping):
            value = value.get(key, next(iter(value.values())) if len(value) == 1 else None)
        return None if value is None else integers(value, where, 1)

    return check


def _convolution(dimensions: int) -> dict[str, Field]:
    return {
        "input_shape": Field(_optional(_sizes(dimensions, 1)), None),
        "weight": Field(_weights(dimensions + 2)),
        "stride": Field(_sizes(dimensions, 1)),
        "padding": Field(_padding(dimensions)),
        "dilation": Field(_sizes(dimensions, 1)),
        "groups": Field(_one(1)),
        "bias": Field(_vector),
    }


_POOL = {"kernel_size": Field(_sizes(2, 1)), "stride": Field(_sizes(2, 1)), "padding": Field(_sizes(2, 0))}
_LEAK = {"r": Field(positive), "v_leak": Field(numbers)}
_FIRE = {"v_threshold": Field(numbers), "v_reset": Field(_optional(numbers), None)}
_SYNAPSE = {"tau_syn": Field(positive), "tau_mem": Field(positive)}
_W_IN = {"w_in": Field(not_zero, 1.0)}

FIELDS: dict[type[nir.NIRNode], dict[str, Field]] = {
    nir.Input: {"input_type": Field(_shape("input"))},
    nir.Output: {"output_type": Field(_shape("output"), None)},
    nir.Linear: {"weight": Field(_weights(2))},
    nir.Affine: {"weight": Field(_weights(2)), "bias": Field(_vector)},
    nir.Conv1d: _convolution(1),
    nir.Conv2d: _convolution(2),
    nir.SumPool2d: _POOL,
    nir.AvgPool2d: _POOL,
    nir.Flatten: {
        "input_type": Field(_shape("input"), None),
        "start_dim": Field(_dimension, 1),
        "end_dim": Field(_dimension, -1),
    },
    nir.Scale: {"scale": Field(numbers)},
    nir.Threshold: {"threshold": Field(numbers)},
    nir.Delay: {"delay": Field(not_negative)},
    nir.I: {"r": Field(positive)},
    nir.IF: {"r": Field(positive)} | _FIRE,
    nir.LI: {"tau": Field(positive)} | _LEAK,
    nir.LIF: {"tau": Field(positive)} | _LEAK | _FIRE,
    nir.CubaLI: _SYNAPSE | _LEAK | _W_IN,
    nir.CubaLIF: _SYNAPSE | _LEAK | _FIRE | _W_IN,
}
"""Every primitive that a graph may hold, by its class."""

PER_NEURON: dict[type[nir.NIRNode], tuple[str, ...]] = {
    kind: tuple(FIELDS[kind])
    for kind in (nir.Scale, nir.Threshold, nir.Delay, nir.I, nir.IF, nir.LI, nir.LIF, nir.CubaLI, nir.CubaLIF)
}
"""Primitives that keep the shape of what arrives, and their fields, which have one value per element."""


def make_node(
    kind: type[nir.NIRNode], values: Mapping[str, Any], metadata: Mapping[str, Any] | None = None
) -> nir.NIRNode:
    """A node with these fields, made without NIR's constructors: their shape inference fails on unchecked fields."""
    node: nir.NIRNode = object.__new__(kind)
    node.input_type, node.output_type, node.metadata = {"input": None}, {"output": None}, dict(metadata or {})
    for name, value in values.items():
        setattr(node, name, value)
    return node


def checked(node: nir.NIRNode, where: str) -> nir.NIRNode:
    """A copy of the node with every field checked and in its normal form.

    Shapes and sizes become tuples (an Input's stands in input_type["input"]), arrays numpy arrays.

    Raises:
        InputError: a field is missing or not what the primitive takes; `where` names the file and the node.
    """
    result = copy.copy(node)
    result.metadata = dict(node.metadata)
    for name, field in FIELDS[type(node)].items():
        value = getattr(node, name, None)
        if value is None:
            if field.default is MISSING:
                raise InputError(f"{where}: has no field {name!r}; write the file again with it")
            value = field.default
        value = field.check(value, f"{where}: field {name!r}")
        setattr(result, name, {name.removesuffix("_type"): value} if name.endswith("_type") else value)
    if isinstance(result, nir.Input) and result.input_type["input"] is None:
        raise InputError(f"{where}: says no shape; write the file again with the shape of the input")
    if isinstance(result, nir.Affine | nir.Conv1d | nir.Conv2d) and result.bias.size != result.weight.shape[0]:
        raise InputError(f"{where}: has {result.weight.shape[0]} outputs but {result.bias.size} biases")
    if isinstance(result, nir.Conv1d | nir.Conv2d):
        _check_convolution(result, where)
    if isinstance(result, nir.IF | nir.LIF | nir.CubaLIF):
        _check_reset(result, where)
    _check_metadata(result, where)
    return result


def _check_convolution(node: nir.Conv1d | nir.Conv2d, where: str) -> None:
    if node.weight.shape[0] % node.groups:
        raise InputError(f"{where}: its {node.groups} groups do not divide its {node.weight.shape[0]} output channels")
    if node.padding == "same" and set(node.stride) != {1}:
        raise InputError(f"{where}: padding 'same' has no meaning with stride {list(node.stride)}; give numbers")


def _check_reset(node: nir.NIRNode, where: str) -> None:
    """Soft reset stands in the metadata, and NIR has no check for it."""
    if node.v_reset is None:
        node.v_reset = np.zeros_like(node.v_threshold)
    reset = node.metadata.get("reset", "zero")
    if not isinstance(reset, str) or reset not in ("subtract", "zero"):
        raise InputError(f"{where}: metadata 'reset' is {_short(reset)}; it is 'subtract' or 'zero'")


def _check_metadata(node: nir.NIRNode, where: str) -> None:
    """What `inflor.converter.primitives.dynamics` reads there."""
    for name in ("reset_value", "threshold"):
        if name in node.metadata:
            numbers(node.metadata[name], f"{where}: metadata {name!r}")
    for name, kinds in (("refractory", (nir.IF, nir.LIF, nir.CubaLIF)), ("late_current", (nir.CubaLIF, nir.CubaLI))):
        if name in node.metadata:
            value = np.asarray(node.metadata[name])
            if value.shape or value.dtype.kind not in "biu" or value not in (0, 1):
                raise InputError(f"{where}: metadata {name!r} is {_short(value)}; it is true or false")
            if value and not isinstance(node, kinds):
                raise InputError(f"{where}: metadata {name!r} has no meaning here; remove it")
