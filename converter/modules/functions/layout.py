"""Functions that move elements and compute nothing: views, axes, indices, and steps that are joined or taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inflor.converter.modules.reshaping import viewed
from inflor.converter.modules.rules import PLAIN, REFUSED, Call, Misplaced, Refused, follows, shown
from inflor.converter.modules.values import Axis, Traced, Value

PLAIN |= {
    *("shape", "size", "dim", "ndim", "numel", "nelement", "device", "dtype", "layout", "is_cuda", "requires_grad"),
    *("is_contiguous", "stride", "storage_offset", "element_size", "get_device", "is_floating_point", "is_complex"),
    *("__len__", "names", "is_leaf", "grad", "grad_fn", "_version", "__repr__", "__format__", "__hash__", "is_sparse"),
    *("is_quantized", "is_mps", "is_meta", "is_nested", "itemsize", "ndimension", "_is_view", "is_tensor"),
}
_CHANNELS = "joins or takes apart what the values hold; that has no form yet: join before the first layer instead"
REFUSED |= {
    "flip": "reorders values; leave it out",
    "roll": "reorders values; leave it out",
    "detach_": "changes a tensor in place; use detach",
}


@follows(
    *("contiguous", "clone", "detach", "data", "alias", "requires_grad_", "cpu", "cuda", "positive", "__pos__"),
    *("float", "to", "type", "type_as", "view_as_real"),
)
def same(call: Call) -> Traced:
    value = call.traced()
    if call.result.dtype != call.args[0].dtype:
        raise Refused(f"makes {call.result.dtype} of {call.args[0].dtype}; compute in one dtype")
    return value


@follows("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "unsqueeze", "squeeze", "ravel")
def view(call: Call) -> Traced:
    return _viewed(call, call.traced(), call.args[0].shape, call.result.shape)


def _viewed(call: Call, value: Traced, before: Sequence[int], after: Sequence[int]) -> Traced:
    if tuple(before) == tuple(after):
        return value
    axes = viewed(value.axes, before, after, len(value.terms))
    if axes is None:
        raise Misplaced(
            f"makes {list(after)} of {list(before)}, which is {shown(value)}, so that samples or steps mix with values;"
            " keep the batch axis, as in x.view(x.shape[0], -1) or x.flatten(1)"
        )
    shape = tuple(size for size, axis in zip(after, axes, strict=True) if axis == "")
    return value.mapped(lambda term: call.store.reshape(term, shape, call.site), axes)


@follows("permute", "transpose", "swapaxes", "movedim", "moveaxis", "t", "T", "mT", "swapdims")
def permuted(call: Call) -> Traced:
    value = call.traced()
    # which axis went where is asked of torch itself, of a tensor whose sizes are the places of its axes
    probe = torch.empty(tuple(range(1, call.args[0].dim() + 1)))
    moved = probe.permute(*_order(call)) if call.name == "permute" else _called(probe, call)
    found = [size - 1 for size in moved.shape]
    kept = [axis for axis in found if value.axes[axis] == ""]
    if kept != sorted(kept):
        raise Misplaced("reorders the dimensions of the values; keep their order, channels first")
    return Traced(value.terms, tuple(value.axes[axis] for axis in found))


def _order(call: Call) -> Any:
    return call.args[1:] or (call.kwargs["dims"],)


def _called(probe: Tensor, call: Call) -> Tensor:
    method = getattr(probe, call.name)
    return method if isinstance(method, Tensor) else method(*call.args[1:], **call.kwargs)


@follows("__getitem__", "select", "narrow")
def taken(call: Call) -> Traced:
    value = call.traced()
    if call.name == "__getitem__":
        index = call.args[1]
        parts = list(index) if isinstance(index, tuple) else [index]
    else:
        dim = int(call.argument(1, "dim")) % len(value.axes)
        start = call.argument(2, "index" if call.name == "select" else "start")
        one = int(start) if call.name == "select" else slice(int(start), int(start) + int(call.argument(3, "length")))
        parts = [slice(None)] * dim + [one]
    return _indexed(call, value, parts)


def _indexed(call: Call, value: Traced, parts: list[Any]) -> Traced:
    taking = sum(part is not None and part is not Ellipsis for part in parts)
    if any(part is Ellipsis for part in parts):
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts = [*parts[:at], *[slice(None)] * (len(value.axes) - taking), *parts[at + 1 :]]
    shape, terms, axes, left = list(call.args[0].shape), list(value.terms), list(value.axes), list[Any]()
    place = 0
    for part in parts:
        if part is None:
            left.append(part)
            continue
        if isinstance(part, Tensor) and part.numel() == 1 and not part.is_floating_point():
            part = int(part)
        if isinstance(part, slice) and part == slice(None):
            left.append(part)
        elif axes[place] == "time" and isinstance(part, int | slice):
            terms = [terms[part]] if isinstance(part, int) else terms[part]
            if isinstance(part, int):
                del axes[place], shape[place]
                continue
            shape[place] = len(terms)
            left.append(part)
        elif isinstance(part, slice) and part.indices(shape[place]) == (0, shape[place], 1):
            left.append(part)
        else:
            what = "steps" if axes[place] == "time" else "samples" if axes[place] else "values"
            raise Misplaced(f"takes some of the {what} of {shown(value)}; only whole steps can be taken")
        place += 1
    if not terms:
        raise Refused("takes no step")
    return _viewed(call, Traced(tuple(terms), tuple(axes)), shape, call.result.shape)


@follows("unbind")
def unbound(call: Call) -> list[Value]:
    value = call.traced()
    dim = int(call.argument(1, "dim", 0)) % len(value.axes)
    if value.axes[dim] != "time":
        raise Misplaced(f"takes {shown(value)} apart along another axis than time")
    axes = (*value.axes[:dim], *value.axes[dim + 1 :])
    return [Traced((term,), axes) for term in value.terms]


@follows("__iter__")
def iterated(call: Call) -> Value | Sequence[Value]:
    return unbound(call)


@follows("stack")
def stacked(call: Call) -> Traced:
    parts = _parts(call)
    first = parts[0]
    if any(part.timed or part.axes != first.axes for part in parts):
        raise Refused("stacks tensors that already hold several steps, or of several layouts")
    dim = int(call.argument(1, "dim", 0)) % (len(first.axes) + 1)
    axes: tuple[Axis, ...] = (*first.axes[:dim], "time", *first.axes[dim:])
    return Traced(tuple(part.terms[0] for part in parts), axes)


@follows("cat", "concat", "concatenate")
def joined(call: Call) -> Traced:
    parts = _parts(call)
    first = parts[0]
    dim = int(call.argument(1, "dim", 0)) % len(first.axes)
    terms = tuple(term for part in parts for term in part.terms)
    if any(part.axes != first.axes for part in parts) or first.axes[dim] == "":
        raise Refused(_CHANNELS)
    if first.axes[dim] == "batch" and "time" not in first.axes:
        return Traced(terms, (*first.axes[:dim], "joined", *first.axes[dim + 1 :]))
    if first.axes[dim] not in ("time", "joined"):
        raise Refused(_CHANNELS)
    return Traced(terms, first.axes)


def _parts(call: Call) -> list[Traced]:
    parts = [call.look(tensor) for tensor in call.argument(0, "tensors")]
    if not all(isinstance(part, Traced) for part in parts):
        raise Refused("joins what comes from the input with a constant")
    return [part for part in parts if isinstance(part, Traced)]


@follows("split", "chunk", "tensor_split", "split_with_sizes")
def pieces(call: Call) -> list[Traced]:
    value = call.traced()
    dim = int(call.argument(2, "dim", 0)) % len(value.axes)
    if value.axes[dim] != "time":
        raise Refused(_CHANNELS)
    found, start = list[Traced](), 0
    for tensor in call.result:
        found.append(Traced(value.terms[start : start + tensor.shape[dim]], value.axes))
        start += tensor.shape[dim]
    return found


@follows("expand", "repeat", "expand_as", "tile", "repeat_interleave", "broadcast_to")
def repeated(call: Call) -> Traced:
    """A new axis, or one of a single step, that holds the same at every step."""
    value, before, after = call.traced(), list(call.args[0].shape), list(call.result.shape)
    axes = list(value.axes)
    if len(after) == len(before) + 1 and "time" not in axes:
        before, axes = [1, *before], ["time", *axes]
    if len(after) == len(before):
        grown = [place for place, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
        if not grown:
            return Traced(value.terms, tuple(axes))
        place = grown[0]
        if len(grown) == 1 and before[place] == 1 and axes[place] == "time":
            return Traced(value.terms * after[place], tuple(axes))
        if len(grown) == 1 and before[place] == 1 and axes[:place] == ["batch"] and "time" not in axes:
            shape = tuple(size for i, size in enumerate(before) if axes[i] == "" and i != place)
            axes[place] = "time"
            one = value.mapped(lambda term: call.store.reshape(term, shape, call.site), tuple(axes))
            return Traced(one.terms * after[place], one.axes)
    raise Refused(f"repeats {shown(value)} into {after}; only an axis of time can be made so")


@follows("__setitem__")
def written(call: Call) -> Traced:
    """A step written into a tensor of all steps."""
    value = call.traced()
    index = call.args[1]
    parts = list(index) if isinstance(index, tuple) else [index]
    place = next((i for i, axis in enumerate(value.axes) if axis == "time"), None)
    whole = [part for i, part in enumerate(parts) if i != place and part not in (slice(None), Ellipsis)]
    if place is None or place >= len(parts) or not isinstance(parts[place], int) or whole:
        raise Refused("writes into a tensor other than a step as a whole; collect the steps in a list and stack it")
    new = call.look(call.args[2])
    if not isinstance(new, Traced) or new.timed or new.axes != (*value.axes[:place], *value.axes[place + 1 :]):
        raise Refused("writes a step of another layout; collect the steps in a list and stack it")
    terms = list(value.terms)
    terms[parts[place]] = new.terms[0]
    return Traced(tuple(terms), value.axes)
