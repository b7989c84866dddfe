"""Cores: every neuron on exactly one, every synapse counted once, every limit kept or named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_networks
from on_target import placed, violated

from inflor.converter.errors import InputError
from inflor.quant.ir.network import Projection
from inflor.quant.operators import Linear
from inflor.targets.loihi.layout.groups import plan
from inflor.targets.loihi.layout.linear import as_matrix, compose
from inflor.targets.loihi.limits import limits
from inflor.targets.loihi.place import pack as mapper
from inflor.targets.loihi.place.pack import place_on_cores
from inflor.targets.loihi.plan import LayoutOptions


def residual():
    return small_networks.residual(np.random.default_rng(5))[0]


@pytest.mark.parametrize("chip", ["loihi1", "loihi2"])
@pytest.mark.parametrize("neurons", [7, 30, 8192])
def test_every_neuron_has_one_core_and_every_synapse_is_counted(chip, neurons):
    network = residual()
    known = replace(limits(chip), neurons=neurons)
    laid = plan(network, LayoutOptions(soft_reset="microcode", balance="relay"))
    mapping = place_on_cores(laid, known)
    for group in laid.groups:
        if group.role == "input":
            continue
        covered = np.zeros((*group.shape, 1, 1)[:2], np.int64)
        for core in (c for c in mapping.cores if c.population == group.name):
            assert core.neurons <= neurons
            covered[core.channels[0] : core.channels[1], core.rows[0] : core.rows[1]] += 1
        assert (covered == 1).all()
        taps = 0
        for s in (s for s in laid.synapses if s.target == group.name):
            if s.kernel is None:
                taps += s.matrix.nnz
            else:
                kernel = replace(s.kernel, weight=np.ones_like(s.kernel.weight))
                taps += mapper.unroll(kernel).weight.nnz
        assert sum(c.synapses for c in mapping.cores if c.population == group.name) == taps
    assert mapping.totals()["neurons"] == sum(g.size for g in laid.groups if g.role != "input")


def test_axons_against_a_count_over_the_unrolled_matrix():
    """n3 on one core, n4 on two channel blocks: axons into each, and out of n3, by looking at every weight."""
    network = residual()
    laid = plan(network, LayoutOptions(balance="relay"))
    mapping = place_on_cores(laid, replace(limits("loihi1"), neurons=168, thresholds=None))
    cores = [c for c in mapping.cores if c.population == "n4"]
    assert len(cores) == 1
    small = place_on_cores(laid, replace(limits("loihi1"), neurons=40, thresholds=None))
    projection = next(q for q in network.projections if q.target == "n4")
    matrix = as_matrix(projection.operators, (4, 7, 6)).weight.toarray().reshape(6, 4, 3, -1) != 0
    for core in (c for c in small.cores if c.population == "n4"):
        inside = matrix[core.channels[0] : core.channels[1], core.rows[0] : core.rows[1]]
        assert core.in_axons == inside.any(axis=(0, 1, 2)).sum()


def test_packing_of_synapse_lists():
    """64 synapses of 20 bits and a 10-bit header: 1,290 bits, 21 words; 1 synapse: 30 bits, one word."""
    bits = mapper._packed(np.array([0, 1, 64, 65, 130]), 20)
    assert bits.tolist() == [0, 64, 21 * 64, 22 * 64, 2 * 21 * 64 + 64]


def test_what_loihi_1_cannot_hold_is_named():
    network = residual()
    violations = [str(v) for v in violated("loihi", network, chip="loihi1", first_layer="chip")]
    assert any("'n1'" in v and "neuron programs" in v and "`soft_reset='stock'`" in v for v in violations)
    assert any("'input'" in v and "payload" in v and "`chip='loihi2'`" in v for v in violations)
    assert [str(v) for v in violated("loihi", network, chip="loihi1", soft_reset="stock")] == []


@pytest.mark.parametrize(("weight", "exponent", "fits"), [(1, 13, True), (1, 14, True), (3, 12, True), (3, 13, False)])
def test_a_large_exponent_goes_into_the_mantissa_while_there_are_bits(weight, exponent, fits):
    """Loihi 1: exponents to 7, mantissas of 8 bits, sign included: 1 << 13 is 64 << 7, 3 << 12 is 96 << 7."""
    made = [
        small_networks.population("input", (2,), "input"),
        small_networks.population("n1", (2,), "spiking", 10, "zero"),
        small_networks.population("out", (1,), "readout"),
    ]
    links = [
        Projection("input", "n1", (Linear("a", np.eye(2, dtype=np.int64)),)),
        Projection("n1", "out", (Linear("b", np.array([[-weight, 0]])),), exponent=exponent),
    ]
    violations = violated("loihi", small_networks.network(made, links, 2), chip="loihi1", soft_reset="stock")
    assert [v.limit for v in violations] == ([] if fits else ["weight exponent"])


def test_a_fan_in_that_no_split_mends():
    made = [
        small_networks.population("input", (5000,), "input"),
        small_networks.population("n1", (5000,), "spiking", 10, "zero"),
        small_networks.population("out", (3,), "readout"),
    ]
    rng = np.random.default_rng(0)
    eye = compose((), (5000,))
    assert eye.weight.nnz == 5000
    projections = [
        Projection("input", "n1", ()),
        Projection("n1", "out", (Linear("l", rng.integers(1, 9, (3, 5000))),)),
    ]
    network = small_networks.network(made, projections, 2)
    (violation,) = violated("loihi", network, chip="loihi1", soft_reset="stock")
    assert (violation.population, violation.number, violation.allowed) == ("out", 5000, 4096)
    assert "axons into a core" in str(violation)
    assert "pool" in violation.mend


def test_rules_name_population_number_and_mend():
    network = residual()
    leaky = network.populations[5].with_rule(decay=np.array(100))
    changed = replace(network, populations=(*network.populations[:5], leaky, *network.populations[6:]))
    (violation,) = violated("loihi", changed, soft_reset="stock")
    assert violation.population == "n5"
    assert violation.number == "100/4096"
    assert "microcode" in violation.mend
    assert violated("loihi", changed, soft_reset="microcode") == []
    high = network.populations[2].with_rule(threshold=np.array(1 << 17))
    changed = replace(network, populations=(*network.populations[:2], high, *network.populations[3:]))
    (violation,) = violated("loihi", changed, soft_reset="stock")
    assert (violation.population, violation.number) == ("n2", 1 << 17)


def test_the_table_names_every_core_and_what_is_not_published():
    mapping = placed("loihi", residual()).mapping
    lines = mapping.table().splitlines()
    assert len(lines) == 1 + len(mapping.cores) + 1
    assert {line.split()[1] for line in lines[1:-1]} == {"n1", "n2", "n3", "n4", "n5", "n6", "out"}
    assert "not published: in_axons" in lines[-1]


def test_lavas_own_neurons_are_refused_where_they_could_wrap_in_silence():
    """Stock soft reset holds 17 bits and sign: 8-bit pixels times a weight of 127, twelve of them, can leave that."""
    wide = small_networks.population("n", (4,), "spiking", 1000, "subtract", 2000)
    made = [
        small_networks.population("input", (12,), "input"),
        small_networks.population("h", (12,), "spiking", 5, "subtract", 12),
        wide,
    ]
    made.append(small_networks.population("out", (2,), "readout"))
    heavy = Linear("heavy", np.full((4, 12), 127))
    links = [
        Projection("input", "h", (Linear("a", np.eye(12, dtype=np.int64)),)),
        Projection("h", "n", (heavy,), exponent=7),
    ]
    net = small_networks.network(made, [*links, Projection("n", "out", (Linear("o", np.ones((2, 4), np.int64)),))], 4)
    with pytest.raises(InputError, match=r"'n' may leave the 24 bits.*`exact_lava`"):
        placed("loihi", net, soft_reset="stock", exact_lava=True)
    placed("loihi", net, soft_reset="stock")
