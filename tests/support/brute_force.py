"""The integer step once more, as slowly and plainly as it can be written: Python integers and explicit loops."""

from __future__ import annotations

import itertools

import numpy as np

from inflor.quant.ir.network import IntegerNetwork, Population
from inflor.quant.operators import Conv, Flatten, Linear, Operator, Scale, SumPool


def run_all(network: IntegerNetwork, images: np.ndarray) -> dict[str, np.ndarray]:
    """Quantised images [samples, *shape] -> per population: spikes, or v of a readout, [samples, T, *shape]."""
    results = [run(network, image) for image in images]
    return {name: np.stack([result[name] for result in results]) for name in results[0]}


def run(network: IntegerNetwork, image: np.ndarray) -> dict[str, np.ndarray]:
    """One quantised image [*shape], or frames [T, *shape] -> per population: spikes or readout's v [T, *shape]."""
    return _run(network, image)[0]


def states(network: IntegerNetwork, image: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The same run -> per population: u and v before the reset, each [T, *shape]."""
    return _run(network, image)[1]


def _run(network: IntegerNetwork, image: np.ndarray) -> tuple[dict, dict]:
    timesteps = network.info.timesteps
    (source,) = network.inputs
    frames = image if image.ndim > len(source.shape) else [image] * timesteps
    sent = {p.name: [] for p in network.populations}
    neurons = {p.name: Neurons(p) for p in network.populations if p.role != "input"}
    seen = {name: ([], []) for name in neurons}
    for t in range(timesteps):
        sent[source.name].append(np.asarray(frames[t]).astype(np.int64))
        for p in network.populations:
            if p.role != "input":
                sent[p.name].append(neurons[p.name].step(_current(network, p, sent, t)))
                for kept, values in zip(seen[p.name], (neurons[p.name].u, neurons[p.name].before), strict=True):
                    kept.append(np.array(values, dtype=np.int64).reshape(p.shape))
    return (
        {name: np.stack(sent[name]) for name in neurons},
        {name: (np.stack(u), np.stack(v)) for name, (u, v) in seen.items()},
    )


def _current(network: IntegerNetwork, p: Population, sent: dict, t: int) -> np.ndarray:
    a = np.zeros(p.shape, dtype=object) + p.rule.bias.astype(object)
    for q in network.incoming[p.name]:
        if t >= q.delay:
            x = sent[q.source][t - q.delay]
            for operator in q.operators:
                x = operate(operator, x)
            a = a + (x.astype(object) << q.exponent)
    return a


class Neurons:
    """A population, neuron by neuron. u and v: after the last step, the reset included; before: v before it."""

    def __init__(self, p: Population):
        self.p = p
        self.u, self.v, self.fired, self.before = ([0] * p.size for _ in range(4))

    def step(self, a: np.ndarray) -> np.ndarray:
        p, f = self.p, self.p.rule.fraction_bits
        threshold, reset, target, drift, decay, current_decay = (
            [int(x) for x in np.broadcast_to(values, p.shape).ravel()]
            for values in (
                p.rule.threshold,
                p.rule.reset_value,
                p.rule.v_reset,
                p.rule.drift,
                p.rule.decay,
                0 if p.rule.current_decay is None else p.rule.current_decay,
            )
        )
        for i, arriving in enumerate(a.ravel()):
            driving = int(arriving) << f
            if p.rule.current_decay is not None:
                driving += keep(self.u[i], current_decay[i], p.rule.decay_bits)
                self.u[i] = driving
            if not (p.rule.refractory and self.fired[i]):
                self.v[i] = keep(self.v[i], decay[i], p.rule.decay_bits) + driving + drift[i]
            self.before[i] = self.v[i]
            self.fired[i] = int(p.role != "readout" and self.v[i] > threshold[i] << f)
            if self.fired[i] and p.rule.reset_kind == "subtract":
                self.v[i] -= reset[i] << f
            elif self.fired[i] and p.rule.reset_kind == "zero":
                self.v[i] = target[i] << f
        return np.array(self.v if p.role == "readout" else self.fired, dtype=np.int64).reshape(p.shape)


def keep(x: int, decay: int, bits: int) -> int:
    """What a decay leaves."""
    return (1 if x >= 0 else -1) * ((abs(x) * (2**bits - decay)) >> bits)


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
