"""NeuroBench's metrics, under the definitions of neurobench 2.3 (its hooks on convolutions and linear layers).

An operation pairs a non-zero activation with a non-zero weight of the layer that it enters, biases aside; padding is
zero and counts nowhere. Activations that are all 0 or 1 make accumulates, others (the graded input, pooled spikes)
multiply-accumulates. Residual identities are no layers there and count nowhere.
"""

from __future__ import annotations

import numpy as np
import torch

from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.operators import (
    IntArray,
    Interval,
    Operator,
    apply_chain,
    bounds,
    output_shape,
    split_chain,
    weighted,
)
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.connectivity import BoolArray, connectivity
from inflor.targets.cost.result import Counts, Metrics


def metrics(activity: Activity, counts: Counts, updates: int) -> Metrics:
    """All of them for the integer network; operations and updates per inference. updates: of membrane potentials."""
    network, samples = activity.network, counts.samples
    macs = accumulates = dense = 0
    for number, projection in enumerate(network.projections):
        layer = weighted(projection.operators)
        if layer is None or layer.elementwise:
            continue
        effective = _operations(activity, number)
        dense += activity.layer_macs[number] * activity.steps
        if _graded(activity, projection):
            macs += effective
        else:
            accumulates += effective
    return Metrics(
        footprint_bytes=sum(p.memory.shared_bytes for p in counts.populations),
        connection_sparsity=connection_sparsity(network),
        activation_sparsity=_activation_sparsity(activity),
        effective_macs=macs / samples,
        effective_acs=accumulates / samples,
        dense_operations=dense / samples,
        membrane_updates=updates / samples,
    )


def connection_sparsity(network: IntegerNetwork) -> float:
    """Share of zeros among the weights of convolutions and linear layers."""
    layers = [weighted(q.operators) for q in network.projections]
    weights = [layer.weight for layer in layers if layer is not None and not layer.elementwise]
    size = sum(w.size for w in weights)
    return sum(int((w == 0).sum()) for w in weights) / size if size else 0.0


def _activation_sparsity(activity: Activity) -> float:
    firing = [p for p in activity.network.populations if activity.fires(p.name)]
    possible = sum(p.size for p in firing) * activity.steps
    return 1 - sum(int(activity.totals[p.name].sum()) for p in firing) / possible if possible else 0.0


def _graded(activity: Activity, projection: Projection) -> bool:
    """Whether the layer sees values beside 0, 1 and -1: of a graded input, or sums of several spikes."""
    source = activity.network.by_name[projection.source]
    spikes = Interval(np.zeros(source.shape[0], np.int64), np.ones(source.shape[0], np.int64))
    pooled = bounds(split_chain(projection.operators)[0], spikes, source.shape).peak > 1
    if pooled or source.role != "input":
        return pooled
    return activity.inputs is None or bool((np.abs(activity.inputs.astype(np.int64)) > 1).any())


def _operations(activity: Activity, number: int) -> int:
    """Effective operations over all samples and steps."""
    projection = activity.network.projections[number]
    source = activity.network.by_name[projection.source]
    if len(projection.operators) == 1:
        return int(activity.totals[source.name] @ activity.connections[number].fan_out)
    before, layer, _ = split_chain(projection.operators)
    fan_out = connectivity((layer,), output_shape(before, source.shape)).fan_out
    if all(op.reshapes for op in before):
        seen = activity.totals[source.name]
    else:
        seen = np.zeros(len(fan_out), np.int64)
        for samples in activity.chunks(source.name):
            seen += _after(before, activity.spikes(source.name, samples), source.shape)
    return int(seen @ fan_out)


def _after(before: tuple[Operator, ...], spikes: BoolArray, shape: tuple[int, ...]) -> IntArray:
    """How often each activation that enters the layer is not zero, int64 [size]."""
    flat = torch.from_numpy(spikes.reshape(-1, *shape)).to(torch.float32)
    return np.asarray((apply_chain(before, flat, None) != 0).flatten(1).sum(0))
