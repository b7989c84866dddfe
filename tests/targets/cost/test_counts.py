"""Counts against a loop over single spikes: every construct, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from counting import Loop, emulate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integer_networks import images, integer_networks
from small_networks import conv, network, population, residual

from inflor.quant.ir.network import Projection
from inflor.quant.operators import Conv, Flatten, Linear, Scale, SumPool, unrolled
from inflor.targets.cost import activity as reading
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.connectivity import Separable, connectivity
from inflor.targets.cost.counts import count, dense_macs
from inflor.targets.cost.updates import count_updates

RELAXED = settings(max_examples=15, suppress_health_check=list(HealthCheck))
FIELDS = ("spikes", "synaptic_events", "zero_weight_events", "input_macs", "neuron_updates", "active_updates")


def assert_equal(activity: Activity) -> None:
    loop = Loop(activity.network, activity.record, activity.inputs)
    for found in count(activity, count_updates(activity)).populations:
        expected = loop.count(found.name)
        for field in FIELDS:
            assert getattr(found, field) == expected[field], (found.name, field)


@given(integer_networks(delays=True, current=True, recurrent=True), st.booleans(), st.booleans())
@RELAXED
def test_equal_a_loop_over_spikes(drawn, frames: bool, known: bool) -> None:
    x = images(drawn, 2, frames=frames)
    x[x < 0] = 0
    assert_equal(Activity(drawn, emulate(drawn, x), x if known else None))


def test_a_residual_network_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK", 1)
    monkeypatch.setattr(reading, "KEPT", 0)
    made, x = residual(np.random.default_rng(3), timesteps=3)
    assert_equal(Activity(made, emulate(made, x)))


def test_taps_that_cancel_are_no_synapse() -> None:
    """Overlapping pool windows add neighbouring taps; 5 - 5 leaves nothing."""
    pool = SumPool("p", (2, 2), (1, 1), (0, 0))
    kernel = Conv("c", np.array([[[[5, -5], [0, 0]]]]), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    for chain in ((pool, kernel), (kernel, pool)):
        made = connectivity(chain, (1, 4, 4))
        assert isinstance(made, Separable)
        expected = np.diff(unrolled(chain, (1, 4, 4)).tocsc().indptr)
        np.testing.assert_array_equal(made.fan_out, expected)
        assert made.fan_out.sum() < connectivity(chain, (1, 4, 4), zeros=True).fan_out.sum()


@given(integer_networks(), st.integers(1, 4), st.integers(0, 2**32 - 1))
@RELAXED
def test_connectivity_equals_the_unrolled_matrix(drawn, cores: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for q in drawn.projections:
        source, target = drawn.by_name[q.source], drawn.by_name[q.target]
        pattern = (unrolled(q.operators, source.shape).toarray() != 0).astype(np.int64)
        made = connectivity(q.operators, source.shape)
        core = rng.integers(0, cores, target.size)
        into = np.stack([pattern[core == c].sum(0) for c in range(cores)])
        spikes = rng.random((3, source.size)) < 0.4
        wanted = np.flatnonzero(rng.random(target.size) < 0.7)
        np.testing.assert_array_equal(made.fan_out, pattern.sum(0))
        np.testing.assert_array_equal(made.reach(core, cores), into > 0)
        np.testing.assert_array_equal(made.events(spikes, core, cores), spikes.astype(np.int64) @ into.T)
        np.testing.assert_array_equal(made.touched(spikes, wanted), (spikes.astype(int) @ pattern.T > 0)[:, wanted])


def test_rate_times_macs_is_what_other_tools_count() -> None:
    """O H W I k k for a convolution, however much of it is padding or zero; out x in for a linear layer."""
    rng = np.random.default_rng(0)
    assert dense_macs((conv(rng, 6, 4, stride=2),), (4, 7, 6)) == 6 * 4 * 3 * 4 * 9
    assert dense_macs((conv(rng, 6, 4, groups=2),), (4, 7, 6)) == 6 * 7 * 6 * 2 * 9
    linear = Linear("l", np.zeros((5, 12), np.int64))
    pooled = (SumPool("p", (2, 2), (2, 2), (0, 0)), Flatten("f", 0, 2), linear)
    assert dense_macs(pooled, (3, 4, 4)) == 5 * 12
    assert dense_macs((Scale("s", np.ones((), np.int64)),), (3, 4, 4)) == 48


def test_memory_of_a_population_by_hand() -> None:
    """Weights of 8 bits; thresholds and reset values per channel; a state as wide as its proved range."""
    made = network(
        (
            population("input", (2, 3, 3), "input"),
            population("n", (4, 3, 3), threshold=[[[100]]] * 4, reset_value=[[[202]]] * 4, bias=0),
            population("out", (3,), "readout", bias=[5, -6, 7]),
        ),
        (
            Projection("input", "n", (conv(np.random.default_rng(1), 4, 2),)),
            Projection("n", "out", (Flatten("f", 0, 2), Linear("l", np.ones((3, 36), np.int64)))),
        ),
        timesteps=2,
    )
    record = emulate(made, np.zeros((1, 2, 3, 3), np.int8))
    first, last = count(Activity(made, record), count_updates(Activity(made, record))).populations
    assert first.memory.weights == 4 * 2 * 9 * 8
    assert first.memory.thresholds == 4 * (8 + 9)  # 100 and 202 with a sign
    assert last.memory.weights == last.memory.synapses == 3 * 36 * 8
    assert last.memory.thresholds == 3 * 4
    assert last.memory.states == 3 * 8  # 2 * (36 + 7) = 86 and a sign
    assert first.synapses == np.count_nonzero(unrolled(made.projections[0].operators, (2, 3, 3)).toarray())
