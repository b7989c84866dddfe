"""Cores of any chip are drawn, also those that several populations share, and those whose fill nobody knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inflor.page.chips import chip
from inflor.page.contents import Chip, Report
from inflor.page.tables import cores
from inflor.targets.conformance.networks import networks
from inflor.targets.mapping import Resource, on_grid

NETWORK = networks()[0]
CORES = {"n1": np.arange(8) % 3, "n2": np.arange(8) % 3, "readout": np.full(4, 2)}
MAP = on_grid(NETWORK, "chip9", CORES, columns=2, rows=1, resources=(Resource("neurons", np.array([6, 6, 8]), 10),))


def test_a_core_shows_every_population_that_it_holds() -> None:
    found = chip(MAP)
    assert isinstance(found, Chip)
    assert [core["populations"] for core in found.cores] == [
        [{"name": "n1", "neurons": 3}, {"name": "n2", "neurons": 3}],
        [{"name": "n1", "neurons": 3}, {"name": "n2", "neurons": 3}],
        [{"name": "n1", "neurons": 2}, {"name": "n2", "neurons": 2}, {"name": "readout", "neurons": 4}],
    ]
    assert [core["fill"] for core in found.cores] == [0.6, 0.6, 0.8]
    assert [(core["chip"], core["x"], core["y"]) for core in found.cores] == [(0, 0, 0), (0, 1, 0), (1, 0, 0)]
    assert found.summary == "3 cores of the 4 on 2 chips; they use 67 % of their neurons"


def test_the_table_counts_a_core_for_each_of_its_populations() -> None:
    report = Report.__new__(Report)
    object.__setattr__(report, "chips", (chip(MAP),))
    (table,) = cores(report)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["n1", "3", "3", "67 %"],
        ["n2", "3", "3", "67 %"],
        ["readout", "1", "4", "80 %"],
    ]


def test_a_core_may_be_as_full_as_nobody_knows() -> None:
    found = chip(replace(MAP, resources=()))
    assert isinstance(found, Chip)
    assert {core["fill"] for core in found.cores} == {None}
    assert found.summary == "3 cores of the 4 on 2 chips"
