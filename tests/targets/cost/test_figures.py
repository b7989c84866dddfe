"""The data file: every entry has a kind, a check and a source, and figures that nobody has opened are not used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inflor.targets.chips import figures as module
from inflor.targets.chips.figures import CHECKS, KINDS, Figure, FigureError, figure, figures
from inflor.targets.chips.limits import data, published
from inflor.targets.cost.terms import energy_term


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch):
    """Puts other data in the place of the file."""

    def put(chip: dict) -> None:
        monkeypatch.setattr(module, "data", lambda: {"schema_version": 1, "chip": {"group": chip}})
        figures.cache_clear()

    yield put
    figures.cache_clear()


def test_every_figure_says_where_it_is_from() -> None:
    found = figures()
    assert len(found) > 70
    for name, entry in found.items():
        assert entry.check in CHECKS, name
        assert entry.check != "C", name
        if any(v is not None for v in (entry.energy, entry.latency, entry.power, entry.latency_max)):
            assert entry.kind in KINDS, name
            assert entry.source or entry.formula, name


def test_no_number_of_the_file_is_overlooked() -> None:
    """Each energy, latency and power below a chip is a figure's, or a value of one."""

    def numbers(section, path):
        for key, value in section.items():
            if isinstance(value, dict):
                yield from numbers(value, f"{path}.{key}")
            elif key in ("energy", "latency", "power"):
                yield path

    chips = {name: part for name, part in data().items() if name not in module.NOT_CHIPS}
    places = {place for name, part in chips.items() for place in numbers(part, name)}
    assert len(places) > 60
    assert places <= figures().keys()


@pytest.mark.parametrize(
    ("name", "energy"),
    [
        ("loihi1.per_operation.synaptic_op", 23.6e-12),
        ("loihi1.sanafe_fitted.message_out", 111.0e-12),
        ("spinnaker1.per_operation.synaptic_op", 13.3e-9),
        ("spinnaker2.per_operation.synaptic_op", 450e-12),
        ("cmos45.fp32_mac", 4.6e-12),
        ("cmos45.int8_add", 0.03e-12),
    ],
)
def test_figures_are_in_joules(name: str, energy: float) -> None:
    assert figure(name).energy == pytest.approx(energy, rel=1e-12)


def test_derived_figures_follow_from_what_they_name() -> None:
    def energy(name):
        return figure(f"cmos45.{name}").energy

    assert energy("int32_mac") == pytest.approx(energy("int32_mul") + energy("int32_add"))
    assert energy("int8_mac") == pytest.approx(energy("int8_mul") + energy("int8_add"))
    assert energy("int8_mac_int32acc") == pytest.approx(energy("int8_mul") + energy("int32_add"))
    bit = figure("spinnaker1.per_operation.router_bit").energy
    assert figure("spinnaker1.per_operation.packet_40bit").energy == pytest.approx(40 * bit)
    single = figure("loihi1.per_operation.synaptic_op").latency
    assert figure("loihi2.per_operation.synaptic_op").latency == pytest.approx(single / 5)


def test_what_is_not_published_has_no_number_and_sources_are_inherited() -> None:
    assert figure("loihi1.per_operation.hop_between_chips").energy is None
    assert figure("loihi2.per_operation.energy_any").energy is None
    assert "Horowitz" in figure("cmos45.fp32_ac").source
    assert "quoted by spikingjelly" in figure("cmos45.fp32_ac").cited
    assert figure("loihi1.sanafe_fitted.spike_out").cited.endswith("arch/loihi.yaml")
    assert figure("loihi1.static.per_core").cited.startswith("derived: 0.029/128")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"energy": 1e-12, "kind": "measured", "source": "s"}, "check"),
        ({"energy": 1e-12, "kind": "measured", "source": "s", "check": "D"}, "check"),
        ({"energy": 1e-12, "kind": "guessed", "source": "s", "check": "A"}, "kind"),
        ({"energy": 1e-12, "source": "s", "check": "A"}, "kind"),
        ({"energy": 1e-12, "kind": "measured", "check": "A"}, "source"),
        ({"energy": -1e-12, "kind": "measured", "source": "s", "check": "A"}, "number"),
        ({"energy": "much", "kind": "measured", "source": "s", "check": "A"}, "number"),
    ],
)
def test_a_bad_entry_is_refused(entries, entry: dict, message: str) -> None:
    entries({"op": entry})
    with pytest.raises(FigureError, match=message):
        figures()


def test_a_target_brings_figures_of_its_own_by_the_same_rules() -> None:
    own = Figure(name="chip9.event", energy=2e-12, kind="claimed", source="a data sheet", check="A")
    assert figure(own) is own
    term = energy_term("events", {"n1": 6, "n2": 2}, 4, own)
    assert (term.count, term.each, term.energy_joules) == (2.0, 2e-12, pytest.approx(4e-12))
    assert (term.source, term.kind, term.check) == ("a data sheet", "claimed", "A")
    assert term.by_population == {"n1": 1.5, "n2": 0.5}
    for change, message in (({"source": ""}, "source"), ({"kind": "guessed"}, "kind"), ({"energy": -1.0}, "number")):
        with pytest.raises(FigureError, match=f"chip9.event: .*{message}"):
            replace(own, **change)
    with pytest.raises(FigureError, match="not opened"):
        figure(replace(own, check="C"))


def test_a_figure_that_was_not_opened_is_not_used(entries) -> None:
    entries({"op": {"energy": 1e-12, "kind": "measured", "source": "s", "check": "C"}})
    with pytest.raises(FigureError, match="not opened"):
        figure("chip.group.op")
    with pytest.raises(FigureError, match="not in"):
        figure("chip.group.other")


def test_limits_are_those_of_the_same_file() -> None:
    assert published("loihi1")["neurons_per_core"]["value"] == 1024
