"""Estimates of a trained network against a calculation of their own, with the figures typed in once more."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from counting import Loop, emulate
from small_networks import conv, network, population, residual

from inflor.converter.errors import InputError
from inflor.quant.ir.network import Projection
from inflor.quant.operators import Conv, Flatten, Linear, unrolled
from inflor.targets.cost import placing, table
from inflor.targets.cost.estimate import estimate
from inflor.targets.cost.result import Estimate

PJ = 1e-12


@pytest.fixture(scope="module")
def case():
    """A residual network, its record, and the report for all hardware."""
    made, x = residual(np.random.default_rng(5), timesteps=4)
    record = emulate(made, x)
    return made, record, estimate(made, record)


def counts(made, record):
    """Sums over populations by a loop over spikes, per inference."""
    loop = Loop(made, record)
    found = [loop.count(p.name) for p in made.populations if p.role != "input"]
    return {name: sum(c[name] for c in found) / record.samples for name in found[0] | found[1]}


def macs_of_one_pass(made) -> int:
    """Places of a window that lie on the map, for every output: a loop over them."""
    total = 0
    for projection in made.projections:
        shape = made.by_name[projection.source].shape
        for op in projection.operators:
            out = op.output_shape(shape)
            if isinstance(op, Linear):
                total += op.weight.size
            elif isinstance(op, Conv):
                for place in itertools.product(*map(range, out[1:])):
                    hits = 1
                    for axis, at in enumerate(place):
                        first = at * op.stride[axis] - op.padding[axis][0]
                        taps = [first + k * op.dilation[axis] for k in range(op.weight.shape[2 + axis])]
                        hits *= sum(0 <= t < shape[1 + axis] for t in taps)
                    total += hits * out[0] * op.weight.shape[1]
            shape = out
    return total


def term(found: Estimate, name: str):
    return next(t for t in found.terms if t.name == name)


MODELS = {"loihi1": 2, "loihi2": 1, "spinnaker1": 2, "spinnaker2": 1, "cmos45": 4}
"""How many models each hardware has, in the order in which they are shown."""


def test_every_model_is_there_and_terms_add_up(case) -> None:
    _, _, report = case
    assert [e.hardware for e in report.estimates] == [name for name, models in MODELS.items() for _ in range(models)]
    assert len({e.name for e in report.estimates}) == len(report.estimates)
    for found in report.estimates:
        energies = [t.energy_joules for t in found.terms if t.energy_joules is not None]
        assert found.energy_joules == pytest.approx(sum(energies), rel=1e-12)
        assert found.energy_low_joules <= found.energy_joules <= found.energy_high_joules
        static = () if found.static_term is None else (found.static_term,)
        for t in (*found.terms, *found.latency_terms, *static):
            assert t.source
            assert t.check in "AB"
            assert t.kind
            plain = t.as_dict()
            assert ("seconds" in plain, "energy_joules" in plain) == ((True, False) if t.unit == "s" else (False, True))
        if found.latency_seconds is not None:
            assert found.latency_terms
            assert {t.unit for t in found.latency_terms} == {"s"}
            assert found.latency_seconds == pytest.approx(sum(t.product for t in found.latency_terms), rel=1e-9)
            assert found.latency_low_seconds <= found.latency_seconds <= found.latency_high_seconds
        if found.static_term is not None:
            assert found.static_term.unit == "W"
            assert found.static_term.count == pytest.approx(found.latency_seconds * found.chips)
            if t.by_population:
                assert t.count == pytest.approx(sum(t.by_population.values()), rel=1e-12)
        assert sum(found.energy_of_populations().values()) <= found.energy_joules * (1 + 1e-12)
        delay = found.energy_delay_joule_seconds
        assert delay is None or delay == found.energy_joules * found.latency_seconds


def test_the_45_nm_convention_by_hand(case) -> None:
    made, record, report = case
    n = counts(made, record)
    assert report.estimate("cmos45_fp32").energy_joules == pytest.approx(
        n["synaptic_events"] * 0.9 * PJ + n["input_macs"] * 4.6 * PJ, rel=1e-9
    )
    assert report.estimate("cmos45").energy_joules == pytest.approx(
        n["synaptic_events"] * 0.1 * PJ + n["input_macs"] * 0.3 * PJ, rel=1e-9
    )
    assert report.estimate("cmos45").energy_low_joules == pytest.approx(
        n["synaptic_events"] * 0.03 * PJ + n["input_macs"] * 0.23 * PJ, rel=1e-9
    )
    assert report.estimate("ann_fp32").title.endswith("one pass, fp32")
    macs = macs_of_one_pass(made)
    assert report.estimate("ann_fp32").energy_joules == pytest.approx(macs * 4.6 * PJ + 168 * 0.9 * PJ, rel=1e-9)
    assert report.estimate("ann_int8").energy_joules == pytest.approx(macs * 0.3 * PJ + 168 * 0.1 * PJ, rel=1e-9)
    assert report.estimate("ann_fp32").latency_seconds is None


def test_loihi_and_spinnaker_by_hand(case) -> None:
    made, record, report = case
    n = counts(made, record)
    found = report.estimate("spinnaker1")
    routed = term(found, "router traversals").count
    assert found.energy_joules == pytest.approx(
        n["synaptic_events"] * 13.3e-9 + n["neuron_updates"] * 26e-9 + routed * 1e-9, rel=1e-9
    )
    assert found.energy_high_joules == pytest.approx(max(found.energy_joules, n["synaptic_events"] * 26.7e-9))
    assert found.latency_seconds == pytest.approx((4 + made.depth["out"] - 1) * 1e-3)
    assert found.streamed_seconds == pytest.approx(4e-3)
    assert found.static_joules == pytest.approx(0.35 * found.latency_seconds * found.chips)
    board = report.estimate("spinnaker1_board")
    assert board.includes_static
    assert board.energy_joules == pytest.approx((26.84 + 0.034 * board.cores) * 4e-3 + routed * 1e-9, rel=1e-9)
    second = report.estimate("spinnaker2")
    assert second.energy_joules == pytest.approx(
        n["synaptic_events"] * 450 * PJ + n["neuron_updates"] * 2190 * PJ, rel=1e-9
    )
    assert any("router traversals" in text for text in second.unpublished)
    assert second.static_term.each == 0.2354  # at 0.5 V, as goes with ticks at 150 MHz
    assert second.static_joules == pytest.approx(0.2354 * second.latency_seconds * second.chips)
    proxy = report.estimate("loihi2")
    mapped = proxy.mapped
    active, updates = (sum(c.values()) / 3 for c in (mapped.active_updates, mapped.neuron_updates))
    events = (sum(mapped.synaptic_events.values()) + sum(mapped.input_events.values())) / 3
    hops = [sum(mapped.hops[d].values()) / 3 for d in ("east-west", "north-south")]
    packets = sum(mapped.packets.values()) / 3
    assert proxy.energy_joules == pytest.approx(
        (events * 23.6 + active * 81 + (updates - active) * 52 + packets * 1.7 + hops[0] * 3 + hops[1] * 4) * PJ,
        rel=1e-9,
    )
    assert proxy.energy_low_joules == pytest.approx(
        (events * 23.6 + updates * 52 + packets * 1.7 + hops[0] * 3 + hops[1] * 4) * PJ, rel=1e-9
    )
    assert proxy.energy_high_joules >= events * 59.9 * PJ * (1 - 1e-12)


def test_one_population_on_one_core_of_loihi_takes_what_the_figures_say() -> None:
    """Four neurons, one projection of known fan-out, every step alike: time and energy by hand."""
    weights = np.array([[1] * 3] * 4)
    made = network(
        (
            population("input", (3,), "input"),
            population("n", (4,), threshold=0, reset="zero"),
            population("out", (2,), "readout"),
        ),
        (
            Projection("input", "n", (Linear("a", weights),)),
            Projection("n", "out", (Linear("b", np.array([[1, 2, 0, 3], [0, 0, 0, 1]])),)),
        ),
        timesteps=5,
    )
    record = emulate(made, np.ones((2, 3), np.int8))  # every neuron fires at every step
    found = estimate(made, record, ["loihi2"], np.ones((2, 3), np.int8)).estimate("loihi2")
    assert term(found, "synaptic events").count == 5 * 4
    assert term(found, "graded input events").count == 5 * 12
    assert term(found, "neuron updates, active").count + term(found, "neuron updates, inactive").count == 5 * 6
    assert term(found, "neuron updates, inactive").count == 0
    assert term(found, "packets").count == 5 * 3  # three of the four neurons have a synapse on the other core
    # six chip steps; the core of n takes 12 events in five of them, that of out 4 in the last five
    n = 4 * 4.2e-9 + 12 * 0.7e-9
    last = max(4 * 4.2e-9, 2 * 4.2e-9 + 4 * 0.7e-9)
    assert found.latency_seconds == pytest.approx(5 * n + last + 6 * 200e-9, rel=1e-9)
    assert found.streamed_seconds == pytest.approx(5 * (n + 200e-9), rel=1e-9)


def test_inputs_that_are_zero_are_not_counted_where_they_are_known() -> None:
    made, x = residual(np.random.default_rng(2), timesteps=3)
    x[:, 0] = 0
    record = emulate(made, x)
    matrix = unrolled(made.projections[0].operators, made.inputs[0].shape)
    fan_out = np.diff(matrix.tocsc().indptr)
    unknown = estimate(made, record, ["cmos45"])
    known = estimate(made, record, ["cmos45"], x)
    assert unknown.counts.total("input_macs") == 3 * 3 * fan_out.sum()
    assert known.counts.total("input_macs") == 3 * int(((x != 0).reshape(3, -1) @ fan_out).sum())
    assert "input" in unknown.notes[0]
    assert known.notes == ()


def test_a_network_too_large_to_place_is_counted_without_cores(case, monkeypatch: pytest.MonkeyPatch) -> None:
    made, record, report = case
    monkeypatch.setattr(placing, "MOST_SYNAPSES", 10)
    found = estimate(made, record, ["loihi1", "spinnaker1"])
    first = found.estimate("loihi1")
    assert first.cores is None
    assert first.latency_seconds is None
    assert "not placed on loihi1" in " ".join(first.notes)
    on_chip = [p for p in report.counts.populations if p.name != "n1"]  # the host's, as where it is placed
    assert set(report.core_maps["loihi1"].cores) >= {p.name for p in on_chip}
    assert "n1" not in report.core_maps["loihi1"].cores
    assert term(first, "synaptic events").count == sum(p.synaptic_events for p in on_chip) / record.samples
    assert "not counted: n1" in " ".join(first.notes)
    assert term(found.estimate("loihi1_sanafe"), "neuron accesses").count == sum(p.neurons for p in on_chip) * 4
    assert found.estimate("spinnaker1_board").energy_joules is None
    assert "all taken to be of sparse synapses" in " ".join(found.estimate("loihi1_sanafe").notes)
    assert {e.cores for e in found.estimates} == {None}
    assert not found.estimate("spinnaker1_board").includes_static


def test_a_record_of_another_network_is_refused(case) -> None:
    made, record, _ = case
    _, x = residual(np.random.default_rng(0), timesteps=5)
    smaller = network(
        (population("input", (2, 7, 6), "input"), population("out", (5,), "readout")),
        (Projection("input", "out", (Flatten("f", 0, 2), Linear("l", np.ones((5, 84), np.int64)))),),
        timesteps=4,
    )
    with pytest.raises(InputError, match="'n1'"):
        estimate(smaller, record)
    with pytest.raises(InputError, match="unknown hardware loihi9"):
        estimate(made, record, ["loihi9"])
    with pytest.raises(InputError, match="inputs are"):
        estimate(made, record, ["cmos45"], x[:1])


def test_a_record_with_other_spikes_is_noticed(case) -> None:
    made, record, report = case
    assert report.warnings == ()
    changed = {name: packed.copy() for name, packed in record.packed.items()}
    changed["n2"][0, 0, 0] ^= 1
    found = estimate(made, type(record)(**{**vars(record), "packed": changed}), ["cmos45"])
    assert "'n2'" in found.warnings[0]


def test_the_table_has_all_rows_and_all_sources(case) -> None:
    _, _, report = case
    made = table.table(report)
    assert len(made.rows) == len(report.estimates)
    letters = {note.split()[0] for note in made.footnotes}
    assert letters == {letter for row in made.rows for letter in row[-1].split()}
    for name, write in table.FORMATS.items():
        text = write(report)
        assert "Davies" in text, name
        assert "Horowitz" in text, name
        assert "not published" in text, name
    assert r"\begin{tabular}{lrrrrrrrrr}" in table.latex(report)
    assert table.quantity(1.11e-5, "J") == "11.1 µJ"
    assert [table.quantity(x, "s") for x in (0.049, 0.9996, 1.5e-10)] == ["49.0 ms", "1.00 s", "150 ps"]
    assert table.quantity(0.0, "J") == "0 J"
    assert table.quantity(None, "J") == "not published"


def test_the_table_says_what_is_absent_as_the_page_does(case) -> None:
    report = case[2]
    rows = {row[0]: row for row in table.table(report).rows}
    convention = rows[report.estimate("cmos45").title]
    assert convention[3:5] == ("not published", "not published")


def test_a_recurrent_network_is_estimated() -> None:
    rng = np.random.default_rng(0)
    made = network(
        (
            population("input", (2, 4, 4), "input"),
            population("n", (3, 4, 4), threshold=60, reset="zero", bias=5),
            population("out", (2,), "readout"),
        ),
        (
            Projection("input", "n", (conv(rng, 3, 2, low=-3, high=4),)),
            Projection("n", "n", (conv(rng, 3, 3),), exponent=0, delay=1),
            Projection("n", "out", (Flatten("f", 0, 2), Linear("l", rng.integers(-9, 9, (2, 48))))),
        ),
        timesteps=6,
    )
    record = emulate(made, rng.integers(-20, 20, (2, 2, 4, 4)).astype(np.int8))
    report = estimate(made, record)
    n = counts(made, record)
    assert report.estimate("cmos45_fp32").energy_joules == pytest.approx(
        n["synaptic_events"] * 0.9 * PJ + n["input_macs"] * 4.6 * PJ, rel=1e-9
    )
    assert report.estimate("ann_fp32").energy_joules == pytest.approx(6 * macs_of_one_pass(made) * 4.6 * PJ, rel=1e-9)


def test_an_ann_sees_every_frame() -> None:
    """Of frames over time a pass each, of one image one, repeated or not: known from the file, or from the inputs."""
    made, x = residual(np.random.default_rng(5), timesteps=4)
    record, one = emulate(made, x), macs_of_one_pass(made) * 4.6 * PJ + 168 * 0.9 * PJ
    frames = replace(made, info=replace(made.info, encoding="frames"))
    for network_, inputs, passes in (
        (made, x, 1),
        (frames, None, 4),
        (made, np.stack([x, x, x, -x], axis=1), 4),
        (frames, np.repeat(x[:, None], 4, axis=1), 1),
    ):
        found = estimate(network_, record, ["cmos45"], inputs).estimate("ann_fp32")
        assert found.energy_joules == pytest.approx(passes * one, rel=1e-9)
        assert ("one pass" if passes == 1 else "4 passes") in found.title
        assert ("one pass" if passes == 1 else "4 passes") in term(found, "multiply-accumulates").conditions
        assert not any("is assumed" in note for note in found.notes)
    unsaid = replace(made, info=replace(made.info, encoding=""))
    assert any("one pass is assumed" in n for n in estimate(unsaid, record, ["cmos45"]).estimate("ann_int8").notes)


def test_ticks_cite_what_they_come_from(case) -> None:
    found = case[2].estimate("spinnaker1").latency_terms[0]
    assert (found.name, found.each) == ("ticks", pytest.approx(1e-3))
    assert "sPyNNaker 1!7.4.1" in found.source
    assert "version_spin1.py" in found.source
    assert "120 instructions per neuron" in found.conditions
    assert "200,000 cycles" in found.conditions
