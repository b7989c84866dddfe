"""Maps of chips whose cores stand in rows and columns."""

from __future__ import annotations

import numpy as np

from inflor.targets.conformance.networks import networks
from inflor.targets.mapping import on_grid


def test_cores_stand_row_by_row_and_chip_after_chip() -> None:
    network = networks()[0]
    cores = {"n1": np.arange(8), "n2": np.arange(8), "readout": np.array([3, 3, 3, 0])}
    made = on_grid(network, "chip9", cores, columns=3, rows=2, layout="drawn")
    assert made.position.tolist() == [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1], [0, 0], [1, 0]]
    assert made.chip_of.tolist() == [0] * 6 + [1] * 2
    expected = [[chip, x, y] for chip in range(2) for y in range(2) for x in range(3)]
    assert made.sites.tolist() == expected
    assert (made.size, made.chips, made.tiles, made.seats) == (8, 2, 8, 1)
    assert dict(made.depth) == dict(network.depth)
    assert made.spikes_of == {p.name: p.name for p in network.populations}
    assert (made.mesh, made.layout, made.period) == ("square", "drawn", 0)
