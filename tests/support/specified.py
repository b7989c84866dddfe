"""What the executable specification says of whole batches, as arrays."""

from __future__ import annotations

import numpy as np

from inflor.quant.ir import reference
from inflor.quant.ir.network import IntegerNetwork


def run_all(network: IntegerNetwork, images: np.ndarray) -> dict[str, np.ndarray]:
    """Quantized images [samples, *shape] -> per population: spikes, or v of a readout, [samples, T, *shape]."""
    results = [run(network, image) for image in images]
    return {name: np.stack([result[name] for result in results]) for name in results[0]}


def run(network: IntegerNetwork, image: np.ndarray) -> dict[str, np.ndarray]:
    """One quantized image [*shape], or frames [T, *shape] -> per population: spikes or readout's v [T, *shape]."""
    found = reference.run(network, image)
    field = {p.name: "v" if p.role == "readout" else "spike" for p in network.populations}
    return {name: _array(network, name, steps, field[name]) for name, steps in found.items()}


def states(network: IntegerNetwork, image: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The same run -> per population: u (0 where there is no such state) and v before the reset, each [T, *shape]."""
    found = {}
    for name, steps in reference.run(network, image).items():
        u, v = (_array(network, name, steps, field) for field in ("u", "v"))
        found[name] = (u if network.by_name[name].rule.current_decay is not None else np.zeros_like(u), v)
    return found


def _array(network: IntegerNetwork, name: str, steps: list[list[reference.State]], field: str) -> np.ndarray:
    values = [[getattr(state, field) for state in step] for step in steps]
    return np.array(values, dtype=np.int64).reshape(-1, *network.by_name[name].shape)
