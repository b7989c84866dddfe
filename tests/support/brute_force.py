"""The integer step once more, as slowly and plainly as it can be written: Python integers and explicit loops."""

from __future__ import annotations

import itertools

import numpy as np

from quant.network import DECAY_ONE, IntegerNetwork, Population
from quant.operators import Conv, Flatten, Linear, Operator, Scale, SumPool


def run_all(network: IntegerNetwork, images: np.ndarray) -> dict[str, np.ndarray]:
    """Quantised images [samples, *shape] -> per population: spikes, or v of a readout, [samples, T, *shape]."""
    results = [run(network, image) for image in images]
    return {name: np.stack([result[name] for result in results]) for name in results[0]}


def run(network: IntegerNetwork, image: np.ndarray) -> dict[str, np.ndarray]:
    """One quantised image [*shape] -> per population: spikes [T, *shape], or v [T, *shape] of a readout."""
    timesteps = network.info.timesteps
    sent = {p.name: [image.astype(np.int64)] * timesteps for p in network.inputs}
    result = {}
    for population in network.populations:
        if population.kind != "input":
            sent[population.name] = _population(network, population, sent, timesteps)
            result[population.name] = np.stack(sent[population.name])
    return result


def _population(network: IntegerNetwork, p: Population, sent: dict, timesteps: int) -> list[np.ndarray]:
    v = [0] * p.size
    thresholds, resets, targets, biases, decays = (
        [int(x) for x in np.broadcast_to(values, p.shape).ravel()]
        for values in (p.threshold, p.reset_value, p.v_reset, p.bias, p.decay)
    )
    out = []
    for t in range(timesteps):
        a = np.zeros(p.shape, dtype=object)
        for q in network.incoming[p.name]:
            x = sent[q.source][t - q.delay] if t >= q.delay else np.zeros_like(sent[q.source][t])
            for operator in q.operators:
                x = operate(operator, x)
            a = a + (x.astype(object) << q.exponent)
        flat, fired = a.ravel(), []
        for i in range(p.size):
            v[i] = (1 if v[i] >= 0 else -1) * ((abs(v[i]) * (DECAY_ONE - decays[i])) >> 12)
            v[i] += int(flat[i]) + biases[i]
            fired.append(int(p.kind != "readout" and v[i] > thresholds[i]))
            if fired[-1] and p.reset == "subtract":
                v[i] -= resets[i]
            elif fired[-1] and p.reset == "zero":
                v[i] = targets[i]
        out.append(np.array(v if p.kind == "readout" else fired, dtype=np.int64).reshape(p.shape))
    return out


def operate(operator: Operator, x: np.ndarray) -> np.ndarray:
    """One operator on one image, by loops over every output and every tap."""
    if isinstance(operator, Flatten):
        return x.reshape(operator.output_shape(x.shape))
    if isinstance(operator, Scale):
        return x * np.broadcast_to(operator.weight, x.shape)
    if isinstance(operator, Linear):
        out = np.zeros(operator.output_shape(x.shape), dtype=np.int64)
        for index in np.ndindex(out.shape):
            row = operator.weight[index[-1]]
            out[index] = sum(int(w) * int(s) for w, s in zip(row, x[index[:-1]], strict=True))
        return out
    out = np.zeros(operator.output_shape(x.shape), dtype=np.int64)
    for index in np.ndindex(out.shape):
        out[index] = _pooled(operator, x, index) if isinstance(operator, SumPool) else _convolved(operator, x, index)
    return out


def _pooled(operator: SumPool, x: np.ndarray, index: tuple[int, ...]) -> int:
    total = 0
    for offset in itertools.product(*map(range, operator.kernel)):
        at = [i * s + o - p for i, s, o, p in zip(index[1:], operator.stride, offset, operator.padding, strict=True)]
        if all(0 <= a < n for a, n in zip(at, x.shape[1:], strict=True)):
            total += int(x[(index[0], *at)])
    return total


def _convolved(operator: Conv, x: np.ndarray, index: tuple[int, ...]) -> int:
    outputs, inputs = operator.weight.shape[:2]
    first = index[0] // (outputs // operator.groups) * inputs
    total = 0
    for channel in range(inputs):
        for tap in np.ndindex(operator.weight.shape[2:]):
            at = [
                i * s + d * k - before
                for i, s, d, k, (before, _) in zip(
                    index[1:], operator.stride, operator.dilation, tap, operator.padding, strict=True
                )
            ]
            if all(0 <= a < n for a, n in zip(at, x.shape[1:], strict=True)):
                total += int(operator.weight[(index[0], channel, *tap)]) * int(x[(first + channel, *at)])
    return total
