"""Finding targets: a plugin that is broken, or that claims another's name, is reported and stops nobody else."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from command_line import invoke, invoke_json
from plugins import Entry, plugin, register

from inflor.converter.errors import InputError, MissingPartError
from inflor.targets import registry
from inflor.targets.api import Chip, Export, Option, Target
from inflor.targets.cost.estimate import hardware
from inflor.targets.cpu import TARGET as CPU

OURS = ["cpu", "float", "loihi", "spinnaker"]
OTHER = replace(CPU, name="other")


@dataclass(frozen=True)
class NotMadeByOption:
    speed: int = 3


@dataclass(frozen=True)
class WithoutDefault:
    speed: int = field(metadata={"option": Option(kind="whole", help="how fast")})


BROKEN = {
    "an import that is missing": (ImportError("No module named 'gone'"), "ImportError: No module named 'gone'"),
    "a crash": (ZeroDivisionError("no cores"), "ZeroDivisionError: no cores"),
    "a module": (registry, "bad:TARGET is no inflor.targets.api.Target"),
    "the class itself": (Target, "bad:TARGET is no inflor.targets.api.Target"),
    "a dictionary": ({"name": "bad"}, "bad:TARGET is no inflor.targets.api.Target"),
    "another name": (OTHER, "the target calls itself 'other'"),
    "a field that is no option": (
        replace(OTHER, name="bad", options=NotMadeByOption),
        "field 'speed' of NotMadeByOption is not made by inflor.targets.api.option",
    ),
    "an option without a default": (replace(OTHER, name="bad", options=WithoutDefault), "argument: 'speed'"),
    "options that are no dataclass": (replace(OTHER, name="bad", options=int), "must be called with a dataclass"),
    "a chip of another": (replace(OTHER, name="bad", chips={"loihi1": Chip(title="L")}), "its chip 'loihi1' is one of"),
    "an export of another": (
        replace(OTHER, name="bad", exports={"netx": Export(help="n", suffix=".n", write=lambda network, path: ())}),
        "its export 'netx' is one of target 'loihi' already",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_reported_and_stops_nobody_else(
    fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loads, reason = BROKEN[fault]
    with caplog.at_level(logging.WARNING, "inflor.targets.registry"):
        register(monkeypatch, Entry("bad", "bad", loads), plugin(OTHER))
    assert list(registry.targets()) == [*OURS, "other"]
    (broken,) = registry.broken()
    assert (broken.name, broken.distribution) == ("bad", "bad")
    assert reason in broken.reason
    assert f"target 'bad' of bad cannot be used: {broken.reason}" in caplog.text
    with pytest.raises(InputError) as caught:
        registry.find("bad")
    assert str(caught.value) == f"target 'bad' cannot be used: {broken.reason} (of bad)"
    assert list(hardware()) == ["loihi1", "loihi2", "spinnaker1", "spinnaker2", "cmos45"]


@pytest.mark.parametrize("fault", BROKEN)
def test_the_command_line_works_beside_a_broken_plugin(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, Entry("bad", "bad", BROKEN[fault][0]))
    found = invoke_json("targets")
    assert [target["name"] for target in found["targets"]] == OURS
    assert [(one["name"], one["distribution"]) for one in found["broken"]] == [("bad", "bad")]
    assert BROKEN[fault][1] in found["broken"][0]["reason"]
    assert invoke("targets").exit_code == invoke("run", "--help").exit_code == 0
    shown = invoke("targets", "bad")
    assert shown.exit_code == 2
    assert shown.stderr.startswith("error: target 'bad' cannot be used: ")


def test_a_broken_plugin_is_named_on_standard_error_once(tmp_path: Path) -> None:
    """Installed as an installer would, and read by a process of its own."""
    import os
    import subprocess

    import toy
    from command_line import command, environment

    toy.write_metadata(tmp_path, "bad", "bad = no_such_module:TARGET")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command("targets", "--json"), capture_output=True, text=True, env=environment(PYTHONPATH=paths), check=True
    )
    assert '"name": "cpu"' in done.stdout
    lines = [line for line in done.stderr.splitlines() if "'bad'" in line]
    assert lines == [
        "WARNING: target 'bad' of bad cannot be used: ModuleNotFoundError: No module named 'no_such_module'"
    ]


@pytest.mark.parametrize("name", OURS)
def test_no_distribution_replaces_a_target_of_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference of every check, above all: whichever is found first."""
    ours = registry.find(name)
    register(monkeypatch, Entry(name, "evil", replace(ours, summary="evil")), Entry(name, "zzz", ours))
    assert registry.find(name) is ours
    refused = [(one.distribution, one.reason) for one in registry.broken()]
    assert refused == [(d, "inflor's own target of this name cannot be replaced") for d in ("evil", "zzz")]


def test_a_name_of_two_distributions_is_neithers(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, plugin(OTHER, "first"), plugin(OTHER, "second"))
    assert list(registry.targets()) == OURS
    assert [one.distribution for one in registry.broken()] == ["first", "second"]
    with pytest.raises(InputError, match=r"'other' cannot be used: registered by several distributions: first, second"):
        registry.find("other")


def test_a_chip_of_two_plugins_is_the_firsts(monkeypatch: pytest.MonkeyPatch) -> None:
    chips = {"tiny": Chip(title="Tiny")}
    one, two = replace(CPU, name="one", chips=chips), replace(CPU, name="two", chips=chips)
    register(monkeypatch, plugin(two, "b"), plugin(one, "a"))
    assert list(registry.targets()) == [*OURS, "one"]
    assert registry.chips()["tiny"] is chips["tiny"]
    (broken,) = registry.broken()
    assert broken.reason == "its chip 'tiny' is one of target 'one' already"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("lohi", "unknown target 'lohi'; did you mean loihi? There are cpu, float, loihi, spinnaker"),
        ("Spinnaker", "unknown target 'Spinnaker'; did you mean spinnaker? There are cpu, float, loihi, spinnaker"),
        ("abacus", "unknown target 'abacus'; choose one of cpu, float, loihi, spinnaker"),
        ("", "unknown target ''; choose one of cpu, float, loihi, spinnaker"),
    ],
)
def test_an_unknown_target_is_refused_with_what_may_have_been_meant(given: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        registry.load(given)
    assert str(caught.value) == says
    assert caught.value.option == "target"


def test_what_is_not_installed_is_found_and_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, plugin(replace(OTHER, available=lambda: "pip install other")))
    assert registry.find("other").name == "other"
    with pytest.raises(MissingPartError, match=r"'other' needs a part that is not installed.*: pip install other$"):
        registry.load("other")
    assert "to use other: pip install other" in invoke("targets").stdout


def test_ours_are_there_without_anybody_elses() -> None:
    assert {*OURS} <= {*registry.targets()}
    assert registry.of_chip("loihi2") is registry.find("loihi")
    assert registry.of_chip("cmos45") is None


@pytest.mark.parametrize("name", ["my-chip", "Chip", "a.b", "2chips"])
def test_a_name_that_cannot_be_a_part_of_an_option(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, plugin(replace(OTHER, name=name)), plugin(OTHER))
    (broken,) = registry.broken()
    assert (broken.name, broken.reason) == (name, "a target's name has lower case letters, digits and _ only")
    assert invoke("run", "--help").exit_code == 0
