"""How the fields of NIR primitives are checked, and their one normal form.

Checks look at one node alone; what arrives at it is looked at in `inflor.converter.primitives.base.Primitive.shaped`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import nir
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError

Check = Callable[[Any, str], Any]
"""Takes a field's value and where it stands, gives its normal form, raises InputError."""
Role = Literal["", "weights", "threshold", "potential", "time", "rate"]

LARGEST_SIZE = 2**31 - 1
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
MISSING = object()


@dataclass(frozen=True)
class Field:
    """One field of a primitive.

    Attributes:
        check: gives its normal form, or refuses the value.
        default: its value where a file leaves it out; MISSING where a file must not.
        per_element: whether it has one value for each element of what arrives; one value stands for all.
        role: what the field is: "weights" scale what passes, v fires above a "threshold", a "potential" is a value
            that v may take, a "time" is given in the unit of dt, a "rate" is multiplied by dt in each step.
        gain: of a time constant, the name of the field that scales what it filters.
        port: "input" or "output" for a shape, which NIR's classes keep in a mapping with this one entry.
        key: its name in a file, where that is not the field's own.
        scalar: whether a file has one number in the place of a list of one.
    """

    check: Check
    default: Any = MISSING
    _: KW_ONLY
    per_element: bool = False
    role: Role = ""
    gain: str = ""
    port: Literal["", "input", "output"] = ""
    key: str = ""
    scalar: bool = False


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
    """`numbers` that are all above 0."""
    array = numbers(value, where)
    if not (array > 0).all():
        raise InputError(f"{where} holds {array.min()}; every value must be above 0")
    return array


def not_negative(value: Any, where: str) -> npt.NDArray[Any]:
    """`numbers` of which none is below 0."""
    array = numbers(value, where)
    if (array < 0).any():
        raise InputError(f"{where} holds {array.min()}; no value may be below 0")
    return array


def not_zero(value: Any, where: str) -> npt.NDArray[Any]:
    """`numbers` of which none is 0."""
    array = numbers(value, where)
    if (array == 0).any():
        raise InputError(f"{where} holds 0: such a neuron would never see its input")
    return array


def integers(value: Any, where: str, least: int, count: int | None = None) -> tuple[int, ...]:
    """Whole numbers from `least` on; one number stands for all `count` of them."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim > 1 or array.size == 0:
        raise InputError(f"{where} is {short(value)}; it takes whole numbers")
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


def short(value: Any) -> str:
    """A value as a message shows it."""
    array = np.asarray(value)
    return f"an array of {array.dtype} of shape {list(array.shape)}" if array.ndim else repr(array.item())[:80]


def weights(ndim: int) -> Check:
    """`numbers` of `ndim` dimensions."""
    return lambda value, where: numbers(value, where, ndim)


def vector(value: Any, where: str) -> npt.NDArray[Any]:
    """`numbers` of one dimension."""
    return numbers(value, where, 1)


def sizes(count: int, least: int) -> Check:
    """`integers`, `count` of them."""
    return lambda value, where: integers(value, where, least, count)


def optional(check: Check) -> Check:
    """What `check` takes, or None."""
    return lambda value, where: None if value is None else check(value, where)


def shape_entry(key: str) -> Check:
    """The shape in the one entry of an input_type or output_type, or None where there is none."""

    def check(value: Any, where: str) -> tuple[int, ...] | None:
        if isinstance(value, Mapping):
            value = value.get(key, next(iter(value.values())) if len(value) == 1 else None)
        return None if value is None or np.size(value) == 0 else integers(value, where, 1)

    return check


def make_node(
    kind: type[nir.NIRNode], values: Mapping[str, Any], metadata: Mapping[str, Any] | None = None
) -> nir.NIRNode:
    """A node with these fields, made without NIR's constructors: their shape inference fails on unchecked fields."""
    node: nir.NIRNode = object.__new__(kind)
    node.input_type, node.output_type, node.metadata = {"input": None}, {"output": None}, dict(metadata or {})
    for name, value in values.items():
        setattr(node, name, value)
    return node


def changed(node: nir.NIRNode, values: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> nir.NIRNode:
    """A copy of the node with other values of these fields and metadata; the rest is shared."""
    result = copy.copy(node)
    result.metadata = {**node.metadata, **(metadata or {})}
    for name, value in values.items():
        setattr(result, name, value)
    return result
