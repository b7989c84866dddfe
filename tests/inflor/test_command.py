"""What all commands share: one grammar for lists, options of targets, -v and --dump."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from command_line import Files, invoke, invoke_json
from hypothesis import given
from hypothesis import strategies as st
from plugins import plugin, register

from inflor.api import checking
from inflor.command import Command
from inflor.converter.nir import file as nir_file
from inflor.targets.api import NoOptions, option
from inflor.targets.cpu import TARGET as CPU
from inflor.targets.equivalence.compare import Equivalence, Layer


@click.command(cls=Command)
@click.argument("models", nargs=-1)
@click.option("--targets", multiple=True)
@click.option("--samples")
def listing(models: Sequence[str], targets: Sequence[str], samples: str | None) -> None:
    click.echo(json.dumps([list(targets), list(models), samples]))


def parsed(*arguments: str) -> list[Any]:
    """The targets, the models and the samples that the arguments say."""
    result = CliRunner().invoke(listing, arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        "--targets cpu loihi model.nir",
        "--targets cpu,loihi model.nir",
        "--targets=cpu,loihi model.nir",
        "--targets cpu --targets loihi model.nir",
        "--targets=cpu --targets=loihi model.nir",
        "--targets=cpu loihi model.nir",
        "model.nir --targets cpu loihi",
        "model.nir --targets cpu,loihi,",
        "model.nir --targets ,cpu, loihi",
        "--targets cpu --verbose model.nir --targets loihi",
        "--targets cpu loihi -v model.nir",
        "--targets cpu loihi -- model.nir",
    ],
)
def test_a_list_is_written_in_many_ways(arguments: str) -> None:
    assert parsed(*arguments.split()) == [["cpu", "loihi"], ["model.nir"], None]


def test_a_list_ends_at_an_option_and_at_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parsed("--targets", "cpu", "loihi", "--samples", "3", "a.nir") == [["cpu", "loihi"], ["a.nir"], "3"]
    assert parsed("--targets", "cpu", "loihi", "folder/model") == [["cpu", "loihi"], ["folder/model"], None]
    assert parsed("--targets", "cpu", "loihi", "a.nir", "b.nir") == [["cpu", "loihi"], ["a.nir", "b.nir"], None]
    assert parsed("--samples", "3", "cpu", "--targets", "x") == [["x"], ["cpu"], "3"]
    assert parsed("--targets", "cpu", "loihi", "model") == [["cpu", "loihi", "model"], [], None]
    (tmp_path / "model").write_text("a file whose name has no dot")
    assert parsed("--targets", "cpu", "loihi", "model") == [["cpu", "loihi"], ["model"], None]


def test_names_of_targets_that_are_names_here_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is no model, and the first value of a list is always a name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loihi").mkdir()
    (tmp_path / "cpu").write_text("a file")
    (tmp_path / "spinnaker").write_text("a file")
    assert parsed("--targets", "cpu", "loihi", "a.nir") == [["cpu", "loihi"], ["a.nir"], None]
    assert parsed("--targets", "cpu", "spinnaker", "a.nir") == [["cpu", "spinnaker"], ["a.nir"], None]


@given(st.data())
def test_any_names_in_any_grammar(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.from_regex(r"[a-z][a-z0-9-]{3,9}_x", fullmatch=True), min_size=1, max_size=6))
    arguments, rest, is_open = [], list(names), False
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        part, rest = ",".join(rest[:count]), rest[count:]
        form = data.draw(st.sampled_from(["--targets PART", "--targets=PART", *(["PART"] if is_open else [])]))
        arguments += form.replace("PART", part).split()
        is_open = True
        if data.draw(st.booleans()):
            arguments += ["--samples", "3"]
            is_open = False
    assert parsed(*arguments, "model.nir")[:2] == [names, ["model.nir"]]


Chosen = dict[str, Mapping[str, Any]]
CHECK = ("--dataset", "digits", "--samples", "1", "--targets")


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Chosen:
    """What `inflor check` gives to each target, and nothing is run."""
    found: Chosen = {}

    def check(network: Any, targets: Sequence[str], inputs: Any, options: Chosen, progress: Any) -> Equivalence:
        assert list(options) == list(targets)
        found.clear()
        found.update(options)
        layers = (Layer(name="n", depth=1, compared=1, mismatches=0, fired=1),)
        return Equivalence(targets=tuple(targets), samples=1, compared_spikes=1, mismatches=0, layers=layers)

    monkeypatch.setattr(checking.equivalence, "check", check)
    return found


@pytest.mark.parametrize(
    ("arguments", "due"),
    [
        ("cpu loihi", {"cpu": {}, "loihi": {}}),
        ("cpu loihi --soft-reset stock", {"cpu": {}, "loihi": {"soft_reset": "stock"}}),
        ("cpu loihi spinnaker --chip loihi1", {"cpu": {}, "loihi": {"chip": "loihi1"}, "spinnaker": {}}),
        ("loihi spinnaker --chip spinnaker2", {"loihi": {}, "spinnaker": {"chip": "spinnaker2"}}),
        ("loihi spinnaker --loihi.chip loihi1", {"loihi": {"chip": "loihi1"}, "spinnaker": {}}),
        (
            "loihi spinnaker --loihi.chip loihi1 --spinnaker.chip spinnaker2",
            {"loihi": {"chip": "loihi1"}, "spinnaker": {"chip": "spinnaker2"}},
        ),
        ("cpu loihi --loihi.chip loihi2 --chip loihi1", {"cpu": {}, "loihi": {"chip": "loihi2"}}),
        ("cpu loihi --chip loihi1 --loihi.chip loihi2", {"cpu": {}, "loihi": {"chip": "loihi2"}}),
        (
            "loihi cpu --exact-lava --timeout 2.5 --memory 2K --cpu.state-bits 24",
            {"loihi": {"exact_lava": True, "timeout": 2.5}, "cpu": {"memory": 2048, "state_bits": 24}},
        ),
        ("cpu spinnaker --boards 3 --dead d.json", {"cpu": {}, "spinnaker": {"boards": 3, "dead": Path("d.json")}}),
    ],
)
def test_an_option_goes_to_those_who_have_it(files: Files, chosen: Chosen, arguments: str, due: Chosen) -> None:
    result = invoke("check", files.integers, *CHECK, *arguments.split())
    assert result.exit_code == 0, result.stderr
    assert chosen == due


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("cpu spinnaker --soft-reset stock", "none of the targets cpu, spinnaker has --soft-reset"),
        ("cpu spinnaker --loihi.chip loihi1", "none of the targets cpu, spinnaker has --loihi.chip"),
        ("cpu spinnaker --chip loihi1", "--chip loihi1: choose one of spinnaker1, spinnaker2"),
        ("cpu loihi --spinnaker.boards 3", "none of the targets cpu, loihi has --spinnaker.boards"),
        ("cpu loihi --loihi.chip spinnaker1", "'spinnaker1' is not one of 'loihi1', 'loihi2'"),
        ("cpu loihi --chip abacus", "'abacus' is not one of 'loihi1', 'loihi2', 'spinnaker1', 'spinnaker2'"),
        ("cpu loihi --state-bits 99", "99 is not a whole number from 2 to 63"),
        ("cpu loihi --memory lots", "'lots' is not a size of memory"),
        ("cpu loihi --timeout 0", "0 is not a positive number of seconds"),
        ("cpu loihi --no-such-option 3", "No such option '--no-such-option'"),
        ("cpu loihi --cpu.chip loihi1", "No such option '--cpu.chip'"),
    ],
)
def test_an_option_that_nobody_takes_is_named(files: Files, chosen: Chosen, arguments: str, message: str) -> None:
    result = invoke("check", files.integers, *CHECK, *arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert chosen == {}


def test_a_single_target_takes_its_own_options_by_both_names(files: Files) -> None:
    run = ("run", files.integers, "--dataset", "digits", "--samples", 5)
    both = invoke_json(*run, "--state-bits", 20, "--cpu.state-bits", 24)
    assert both["provenance"]["plan"]["state_bits"] == 24
    placed = invoke_json("place", files.integers, "--spinnaker.neurons-per-core", 5, "--neurons-per-core", 9)
    assert max(p["neurons"] for p in placed["placements"]) == 5
    for arguments, message in (
        ((*run, "--loihi.chip", "loihi1"), "target 'cpu' has no option --loihi.chip; it has --memory, --threads"),
        (("place", files.integers, "--memory", "1K"), "target 'spinnaker' has no option --memory; it has --chip"),
    ):
        refused = invoke(*arguments)
        assert refused.exit_code == 2
        assert message in refused.stderr


@dataclass(frozen=True)
class Awkward:
    """Names that commands and other targets have too."""

    memory: int = option(3, "what cpu takes as a size", kind="whole", most=9)
    boards: bool = option(False, "what spinnaker takes as a number", kind="flag")
    model: str = option("m", "what commands call their network")
    samples: int = option(1, "how many", kind="whole")
    verbose: bool = option(False, "say more", kind="flag")
    as_json: bool = option(False, "an argument of commands", kind="flag")


def test_a_plugin_takes_no_option_from_anybody(files: Files, chosen: Chosen, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, plugin(replace(CPU, name="other", options=Awkward)))
    for arguments, due in (
        ("cpu other --memory 5 --samples 2", {"cpu": {"memory": 5}, "other": {"memory": 5}}),
        ("cpu loihi --memory 2K", {"cpu": {"memory": 2048}, "loihi": {}}),
        ("cpu other --cpu.memory 2K --other.memory 4", {"cpu": {"memory": 2048}, "other": {"memory": 4}}),
        ("cpu spinnaker --boards 3", {"cpu": {}, "spinnaker": {"boards": 3}}),
        ("cpu other --other.samples 7 --other.model x", {"cpu": {}, "other": {"samples": 7, "model": "x"}}),
        (
            "cpu other --model y --other.verbose --as-json",
            {"cpu": {}, "other": {"model": "y", "verbose": True, "as_json": True}},
        ),
    ):
        result = invoke("check", files.integers, *CHECK, *arguments.split())
        assert result.exit_code == 0, (arguments, result.stderr)
        assert chosen == due, arguments
    assert invoke_json("run", files.integers, "--dataset", "digits", "--samples", 5)["samples"] == 5


def test_a_target_without_options_takes_none(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, plugin(replace(CPU, name="other", options=NoOptions)))
    assert "--" not in invoke("targets", "other").stdout
    refused = invoke("run", files.integers, "--dataset", "digits", "--target", "other", "--threads", 1)
    assert "target 'other' has no option --threads; it has none" in refused.stderr


def test_verbose_logs_every_pass_on_standard_error(files: Files, tmp_path: Path) -> None:
    arguments = ("quantize", files.graph, "--calibrate", "digits", "--samples", 10, "--out", tmp_path / "a.int.nir")
    said = invoke(*arguments, "-v", "--json")
    assert said.exit_code == 0
    assert isinstance(json.loads(said.stdout), dict)
    lines = [line for line in said.stderr.splitlines() if line.endswith(" ms")]
    logged = [line.removeprefix("inflor.converter.passes.base: ").partition(": ")[0] for line in lines]
    assert {"flatten graphs", "chains to projections", "merge linear"} <= set(logged)
    for line in lines:
        words = line.partition(": ")[2].partition(": ")[2].split()  # 12 -> 9 nodes, 0.3 ms
        assert int(words[0]) > 0
        assert int(words[2]) > 0
        assert float(words[4]) >= 0
        assert (words[1], words[3], words[5]) == ("->", "nodes,", "ms")
    assert invoke(*arguments).stderr == ""
    assert "flatten graphs" in invoke("run", files.graph, "--dataset", "digits", "--samples", 1, "--verbose").stderr


def test_dump_writes_the_graph_after_every_pass(files: Files, tmp_path: Path) -> None:
    folder = tmp_path / "passes"
    arguments = ("--calibrate", "digits", "--samples", 10, "--out", tmp_path / "a.int.nir", "--dump", folder)
    said = invoke("quantize", files.graph, *arguments, "-v")
    assert said.exit_code == 0, said.stderr
    logged = [line.split(": ")[1] for line in said.stderr.splitlines() if line.endswith(" ms")]
    written = sorted(path.name for path in folder.iterdir())
    assert [Path(name).stem for name in written] == [f"{i:02d}-{n.replace(' ', '-')}" for i, n in enumerate(logged)]
    graphs = [path for path in sorted(folder.iterdir()) if path.suffix == ".nir"]
    assert graphs
    for path in graphs:
        assert "neuron1" in nir_file.read(path).nodes
    assert "neuron1" in (folder / written[0]).read_text()


def test_dump_writes_over_nothing(files: Files, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("what stood here before")
    for place in (tmp_path, tmp_path / "kept"):
        refused = invoke("convert", files.graph, "--dump", place)
        assert refused.exit_code == 2
        assert "is not an empty folder; name another for --dump" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert "No such option '--dump'" in invoke("run", files.graph, "--dataset", "digits", "--dump", "x").stderr
