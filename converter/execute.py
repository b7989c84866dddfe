"""The float executor: what a validated NIR graph computes, layer by layer over all timesteps at once.

It knows NIR's definitions and nothing of the networks that were trained here, so that it checks the export.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from converter.errors import InputError
from converter.graph import INTEGRATORS, SPIKING, Graph, reset_of

Values = npt.NDArray[Any] | Tensor
SUPPORTED = (
    *(nir.Input, nir.Output, nir.Linear, nir.Affine, nir.Conv1d, nir.Conv2d, nir.SumPool2d, nir.AvgPool2d),
    *(nir.Flatten, nir.Scale, nir.Threshold, nir.IF, nir.LIF, nir.I, nir.LI),
)
DTYPES: dict[torch.dtype, type[np.floating[Any]]] = {torch.float32: np.float32, torch.float64: np.float64}


@dataclass(frozen=True, eq=False)
class Result:
    """What a run gave; by node name, time first.

    spikes: bool [T, B, *shape] of the spiking neurons that were to be kept. potentials: [T, B, *shape] of the
    integrators (I, LI), after each step. outputs: [T, B, *shape], what arrives at every Output node. currents, inputs:
    [T, B, *shape], the summed input of the nodes asked for; constant over time they are a broadcast view.
    logits: [B, *shape] of every Output node: the final potential / T of an I readout, else the mean over T.
    """

    spikes: dict[str, Tensor]
    potentials: dict[str, Tensor]
    outputs: dict[str, Tensor]
    logits: dict[str, Tensor]
    currents: dict[str, Tensor]
    inputs: dict[str, Tensor]


def run(
    graph: Graph,
    x: Values | Mapping[str, Values],
    timesteps: int,
    *,
    keep: Collection[str] | None = None,
    currents: Collection[str] = (),
    keep_inputs: Collection[str] = (),
    dtype: torch.dtype = torch.float32,
) -> Result:
    """Run a batch.

    x: normalised, [B, *shape] (the same input at every step) or [T, B, *shape]; by Input node where there are several.
    It runs where x is: a tensor on a GPU runs there. keep: the neurons whose spikes and potentials to return (None for
    all; potentials that end in an Output are always returned). currents, keep_inputs: nodes whose summed input to
    return; the first for neurons (before r and dt), the second for any node. dtype: torch.float32 or torch.float64.

    What is constant over time is computed once. Activations are let go after their last reader.

    One step of the neurons, with dt = graph.info.dt, v(0) = 0, strict threshold:

        IF, I      v += dt r I
        LIF, LI    v += dt / tau (v_leak - v + r I)
        spike      v > v_threshold; then v = v_reset, or v -= reset_value where the metadata say reset "subtract"

    Raises:
        InputError: the graph is recurrent or holds a node that is not supported; x does not fit; a name is unknown.
    """
    _check(graph, timesteps, {*(keep or ()), *currents, *keep_inputs})
    if not isinstance(x, Mapping):
        if len(graph.inputs()) > 1:
            raise InputError(f"{graph.source}: has the inputs {', '.join(graph.inputs())}; give x by their names")
        x = {graph.inputs()[0]: x}
    values = {name: _with_time(graph, name, x.get(name), timesteps, dtype) for name in graph.inputs()}
    readers = {name: len(graph.successors(name)) for name in graph.order}
    result = Result({}, {}, {}, {}, {}, {})
    with torch.no_grad(), _exact_products(any(value.is_cuda for value in values.values())):
        for name in graph.order:
            value = _arriving(graph, name, values, readers)
            every_step = value.expand(timesteps, *value.shape[1:])
            if name in currents:
                result.currents[name] = every_step
            if name in keep_inputs:
                result.inputs[name] = every_step
            node = graph.nodes[name]
            if isinstance(node, nir.Output):
                result.outputs[name] = every_step
                result.logits[name] = _logits(graph, name, every_step)
                continue
            value = _STATEFUL[type(node)](node, every_step, graph) if type(node) in _STATEFUL else _map(node, value)
            values[name] = value
            if isinstance(node, SPIKING) and (keep is None or name in keep):
                result.spikes[name] = value.bool()
            if isinstance(node, INTEGRATORS) and (keep is None or name in keep or _ends(graph, name)):
                result.potentials[name] = value
    return result


def _check(graph: Graph, timesteps: int, names: Collection[str]) -> None:
    graph.require_feed_forward()
    if timesteps < 1:
        raise InputError(f"timesteps is {timesteps}; give a whole number from 1 on")
    for name, node in graph.nodes.items():
        if not isinstance(node, SUPPORTED):
            raise InputError(
                f"{graph.source}: node {name!r} is a {type(node).__name__}, which the float executor cannot run yet"
            )
    for name in names:
        if name not in graph.nodes:
            raise InputError(f"{graph.source}: there is no node {name!r}; its nodes are {', '.join(graph.nodes)}")


def _with_time(graph: Graph, name: str, x: Values | None, timesteps: int, dtype: torch.dtype) -> Tensor:
    """The input as [T or 1, B, *shape]."""
    if x is None:
        raise InputError(f"{graph.source}: no values for its input {name!r}")
    x, shape = torch.as_tensor(x).to(dtype), graph.output_shapes[name]
    if x.shape[1:] == shape and x.dim() == len(shape) + 1:
        return x.unsqueeze(0)
    if x.shape[2:] == shape and x.dim() == len(shape) + 2:
        if len(x) != timesteps:
            raise InputError(f"{graph.source}: input {name!r} has {len(x)} steps, but {timesteps} are to be run")
        return x
    raise InputError(
        f"{graph.source}: input {name!r} takes (batch, {', '.join(map(str, shape))}), with or without steps before it; "
        f"the data have shape {tuple(x.shape)}"
    )


def _arriving(graph: Graph, name: str, values: dict[str, Tensor], readers: dict[str, int]) -> Tensor:
    """The sum of what a node reads; lets go of every value that nobody reads after it."""
    sources = graph.predecessors(name)
    if not sources:
        return values.pop(name)
    value = values[sources[0]]
    for source in sources[1:]:
        value = value + values[source]
    for source in sources:
        readers[source] -= 1
        if not readers[source]:
            del values[source]
    return value


def _ends(graph: Graph, name: str) -> bool:
    return any(isinstance(graph.nodes[target], nir.Output) for target in graph.successors(name))


def _logits(graph: Graph, name: str, stream: Tensor) -> Tensor:
    if all(isinstance(graph.nodes[source], nir.I) for source in graph.predecessors(name)):
        return stream[-1] / len(stream)
    return stream.mean(0)


def _map(node: nir.NIRNode, value: Tensor) -> Tensor:
    """A node without state: [T, B, *shape] as one batch."""
    if isinstance(node, nir.Input):
        return value
    if isinstance(node, nir.Scale):
        return value * _parameter(node.scale, value)
    if isinstance(node, nir.Threshold):
        return (value > _parameter(node.threshold, value)).to(value.dtype)
    flat = value.flatten(0, 1)
    if isinstance(node, nir.Flatten):
        flat = flat.flatten(1 + node.start_dim, 1 + node.end_dim)
    elif isinstance(node, nir.Linear | nir.Affine):
        bias = _tensor(node.bias, value) if isinstance(node, nir.Affine) else None
        flat = functional.linear(flat, _tensor(node.weight, value), bias)
    elif isinstance(node, nir.Conv1d | nir.Conv2d):
        flat = _convolve(node, flat)
    else:
        flat = _pool(node, flat)
    return flat.reshape(*value.shape[:2], *flat.shape[1:])


def _convolve(node: nir.Conv1d | nir.Conv2d, flat: Tensor) -> Tensor:
    padding = node.padding
    if padding == "same":
        # Where the total is odd, the end gets one more, as in torch (which warns about it).
        totals = [d * (k - 1) for k, d in zip(node.weight.shape[2:], node.dilation, strict=True)]
        flat = functional.pad(flat, [side for total in reversed(totals) for side in (total // 2, total - total // 2)])
        padding = 0
    convolve = functional.conv2d if isinstance(node, nir.Conv2d) else functional.conv1d
    weight, bias = _tensor(node.weight, flat), _tensor(node.bias, flat)
    return convolve(flat, weight, bias, node.stride, padding, node.dilation, node.groups)


def _pool(node: nir.SumPool2d | nir.AvgPool2d, flat: Tensor) -> Tensor:
    """Zeros of the padding count in the mean. Padded here: torch refuses a padding above half of the kernel."""
    height, width = node.padding
    if height or width:
        flat = functional.pad(flat, (width, width, height, height))
    divisor = 1 if isinstance(node, nir.SumPool2d) else None
    return functional.avg_pool2d(flat, node.kernel_size, node.stride, divisor_override=divisor)


def _if(node: nir.IF, current: Tensor, graph: Graph) -> Tensor:
    gain = _parameter(node.r, current) * graph.info.dt
    v = torch.zeros_like(current[0])
    fire = _Fire(node, current)
    for step, arriving in enumerate(current):
        v = fire(step, v.add_(arriving if _is_one(gain) else arriving * gain))
    return fire.spikes


def _lif(node: nir.LIF, current: Tensor, graph: Graph) -> Tensor:
    v = torch.zeros_like(current[0])
    fire = _Fire(node, current)
    leak = _Leak(node, current, graph)
    for step, arriving in enumerate(current):
        v = fire(step, leak(v, arriving))
    return fire.spikes


def _li(node: nir.LI, current: Tensor, graph: Graph) -> Tensor:
    v = torch.zeros_like(current[0])
    potentials = torch.empty(current.shape, dtype=current.dtype, device=current.device)
    leak = _Leak(node, current, graph)
    for step, arriving in enumerate(current):
        v = leak(v, arriving)
        potentials[step] = v
    return potentials


def _i(node: nir.I, current: Tensor, graph: Graph) -> Tensor:
    gain = _parameter(node.r, current) * graph.info.dt
    return (current if _is_one(gain) else current * gain).cumsum(0)


_STATEFUL: dict[type[nir.NIRNode], Any] = {nir.IF: _if, nir.LIF: _lif, nir.LI: _li, nir.I: _i}
"""(node, input current [T, B, *shape], graph) -> spikes or potentials [T, B, *shape]."""


class _Leak:
    """v + dt / tau (v_leak - v + r I), arranged so that r = 1, v_leak = 0 add no rounding of their own."""

    def __init__(self, node: nir.LIF | nir.LI, current: Tensor, graph: Graph) -> None:
        self.r, self.v_leak = _parameter(node.r, current), _parameter(node.v_leak, current)
        self.steps = _parameter(node.tau, current) / graph.info.dt
        if float(np.min(node.tau)) < graph.info.dt:
            raise InputError(
                f"{graph.source}: a time constant of {float(np.min(node.tau)):g} is shorter than the step of "
                f"{graph.info.dt:g}, which Euler's rule does not follow; write tau in steps, or dt into the metadata"
            )

    def __call__(self, v: Tensor, arriving: Tensor) -> Tensor:
        driven = arriving if _is_one(self.r) else arriving * self.r
        return v + (driven - (v - self.v_leak)) / self.steps


class _Fire:
    """Threshold and reset; collects the spikes [T, B, *shape] as 0 and 1, which the next node multiplies."""

    def __init__(self, node: nir.IF | nir.LIF, current: Tensor) -> None:
        self.spikes = torch.empty(current.shape, dtype=current.dtype, device=current.device)
        self.threshold = _parameter(node.v_threshold, current)
        self.reset, value = reset_of(node)
        self.value = _parameter(np.broadcast_to(value, node.v_threshold.shape), current)

    def __call__(self, step: int, v: Tensor) -> Tensor:
        """The potential after the reset; may write into v."""
        fired = torch.gt(v, self.threshold, out=self.spikes[step])
        if self.reset == "zero":
            return torch.where(fired.bool(), self.value, v)
        if isinstance(self.value, float):
            return v.sub_(fired, alpha=self.value)
        return v.addcmul_(fired, self.value, value=-1)


def _parameter(values: npt.NDArray[Any], like: Tensor) -> float | Tensor:
    """Per-neuron values: one number where all are the same, which saves reading them at every step."""
    if (values == values.flat[0]).all():
        return float(values.flat[0].astype(DTYPES[like.dtype]))
    return _tensor(values, like)


def _tensor(values: npt.NDArray[Any], like: Tensor) -> Tensor:
    # torch wants memory that it may write to; only a broadcast or read-only array is copied.
    array = np.require(values, DTYPES[like.dtype], ["C", "W"])
    return torch.from_numpy(array).to(like.device)


def _is_one(gain: float | Tensor) -> bool:
    return isinstance(gain, float) and gain == 1.0


@contextlib.contextmanager
def _exact_products(on_gpu: bool) -> Iterator[None]:
    """On a GPU torch may round the factors of a product to 10 bits (TF32); a reference must not."""
    if not on_gpu:
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32, cudnn.allow_tf32 = False, False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
