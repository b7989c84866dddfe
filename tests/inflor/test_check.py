"""`inflor check`, `run --target loihi` and `convert --to netx`, as a user calls them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import textwrap
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import nir
import numpy as np
import pytest
from command_line import SMALL, Files, command, environment, invoke, invoke_json
from plugins import plugin, register

import inflor
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.api import Target
from inflor.targets.cpu import TARGET as CPU
from inflor.targets.record.file import Batch
from inflor.targets.record.recorder import Recorder

Change: TypeAlias = Callable[[IntegerNetwork], IntegerNetwork]

needs_lava = pytest.mark.skipif(importlib.util.find_spec("lava") is None, reason="lava-nc is not installed (make lava)")


@needs_lava
@pytest.mark.parametrize("soft_reset", ["microcode", "stock"])
def test_cpu_and_loihi_are_equal(files: Files, soft_reset: str) -> None:
    printed = invoke_json(
        "check",
        files.integers,
        "--targets",
        "cpu",
        "loihi",
        "--dataset",
        "digits",
        "--samples",
        3,
        "--soft-reset",
        soft_reset,
    )
    assert printed["equal"] is True
    assert (printed["mismatches"], printed["first_mismatch"]) == (0, None)
    assert printed["targets"] == ["cpu", "loihi"]
    assert printed["compared_spikes"] == 3 * 4 * sum(16 for layer in printed["layers"] if layer["fired"] is not None)
    assert all(layer["fired"] for layer in printed["layers"][:-1])


@needs_lava
def test_run_on_loihi_records_what_cpu_does(files: Files) -> None:
    both = [
        invoke_json("run", files.integers, "--target", target, "--dataset", "digits", "--samples", 3)
        for target in ("cpu", "loihi")
    ]
    assert both[0]["populations"] == both[1]["populations"]
    assert both[0]["accuracy"] == both[1]["accuracy"]
    assert both[1]["provenance"]["plan"]["cores"]["neurons"] > 0


def test_a_target_with_a_fault_ends_in_exit_code_1(files: Files, tmp_path: Path) -> None:
    """A target of its own, found through its entry point, whose first threshold is twice too high."""
    (tmp_path / "broken_target.py").write_text(
        textwrap.dedent(
            """
            from dataclasses import replace
            from inflor.targets.cpu import TARGET as CPU

            def place(network, options, rates):
                population = network.populations[1]
                wrong = population.with_rule(threshold=population.rule.threshold * 2)
                made = (network.populations[0], wrong, *network.populations[2:])
                return CPU.place(replace(network, populations=made), options, rates)

            TARGET = replace(CPU, name="broken", place=place)
            """
        )
    )
    about = tmp_path / "broken-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[inflor.targets]\nbroken = broken_target:TARGET\n")
    paths = os.pathsep.join([str(tmp_path), str(Path(inflor.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    arguments = ("check", files.integers, "--targets", "cpu", "broken", "--dataset", "digits", "--json")
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(PYTHONPATH=paths),
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    printed = json.loads(done.stdout)
    assert printed["equal"] is False
    assert printed["mismatches"] > 0
    first = printed["first_mismatch"]
    assert first["depth"] == 1
    cpu, broken = first["sides"]
    assert (cpu["target"], broken["target"]) == ("cpu", "broken")
    assert cpu["value"] == cpu["due"] != broken["value"]
    assert cpu["v"] > cpu["threshold"]


class PartOf:
    """A plan of the target cpu that promises some of the populations."""

    def __init__(self, plan: Any, promised: Collection[str]) -> None:
        self.plan, self.network = plan, plan.network
        self.populations = tuple(p for p in plan.populations if p.name in promised)

    def summary(self) -> dict[str, Any]:
        return {}


class KeepsPart:
    """Hands a recorder what was promised, of all that the target cpu computed."""

    keep_spikes = True

    def __init__(self, recorder: Recorder) -> None:
        self.recorder, self.names = recorder, {p.name for p in recorder.populations}

    def add(self, batch: Batch) -> None:
        parts = {key: {n: v for n, v in getattr(batch, key).items() if n in self.names} for key in PARTS}
        self.recorder.add(replace(batch, **parts))


PARTS = ("spikes", "counts", "outputs", "overflows")


def recording_only(name: str, *promised: str, change: Change = lambda network: network) -> Target:
    """The target cpu, which promises and delivers a part. change: makes the network another one."""

    def run(plan: Any, inputs: Any, recorder: Recorder, progress: Any) -> Any:
        return CPU.run(plan.plan, inputs, KeepsPart(recorder), progress)

    def place(network: IntegerNetwork, options: Any, rates: Any) -> PartOf:
        return PartOf(CPU.place(change(network), options, rates), promised)

    return replace(CPU, name=name, place=place, run=run)


def threshold_doubled(name: str) -> Change:
    def change(network: IntegerNetwork) -> IntegerNetwork:
        made = (p.with_rule(threshold=p.rule.threshold * 2) if p.name == name else p for p in network.populations)
        return replace(network, populations=tuple(made))

    return change


def lazy(name: str, samples: Callable[[int], int]) -> Target:
    """The target cpu, which runs fewer samples than it is given."""

    def run(plan: Any, inputs: Any, recorder: Recorder, progress: Any) -> Any:
        return CPU.run(plan, inputs[: samples(len(inputs))], recorder, progress)

    return replace(CPU, name=name, run=run)


def forgetful(name: str, lost: str) -> Target:
    """The target cpu, which promises all and delivers no spikes of one population."""

    def run(plan: Any, inputs: Any, recorder: Recorder, progress: Any) -> Any:
        kept = KeepsPart(recorder)
        kept.names.remove(lost)
        return CPU.run(plan, inputs, kept, progress)

    return replace(CPU, name=name, run=run)


CHECK = ("--dataset", "digits", "--samples", 5, "--targets")


@pytest.mark.parametrize("targets", [("cpu", "silent"), ("silent", "cpu"), ("silent", "silent2")])
def test_a_target_that_records_nothing_is_not_equal(
    files: Files, targets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, *(plugin(lazy(name, lambda count: 0)) for name in ("silent", "silent2")))
    result = invoke("check", files.integers, *CHECK, *targets)
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == "error: target 'silent': recorded 0 of 5 samples\n"


def test_what_a_target_leaves_out_ends_in_4_wherever_it_runs(
    files: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, plugin(lazy("lazy", lambda count: count - 1)), plugin(forgetful("forgetful", "neuron2")))
    run = ("run", files.integers, "--dataset", "digits", "--samples", 5, "--out", tmp_path / "r.h5", "--target")
    for verb in (("check", files.integers, *CHECK, "cpu"), run):
        result = invoke(*verb, "lazy")
        assert (result.exit_code, result.stdout) == (4, "")
        assert result.stderr == "error: target 'lazy': recorded 4 of 5 samples\n"
        result = invoke(*verb, "forgetful")
        assert (result.exit_code, result.stdout) == (4, "")
        assert "target 'forgetful': did not record spike counts of population 'neuron2'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_promises_nothing_is_compared_with_nothing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, plugin(recording_only("mute")), plugin(recording_only("ghost", "a population of its own")))
    for name in ("mute", "ghost"):
        result = invoke("check", files.integers, *CHECK, "cpu", name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"there is nothing to compare: cpu, {name} record no population in common" in result.stderr


def test_what_a_plan_does_not_promise_is_listed_as_not_compared(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, plugin(recording_only("part", "neuron2")), plugin(recording_only("end", "readout")))
    found = invoke_json("check", files.integers, *CHECK, "cpu", "part")
    assert (found["equal"], found["not_compared"]) == (True, ["neuron1", "readout"])
    assert [layer["name"] for layer in found["layers"]] == ["neuron2"]
    assert found["compared_spikes"] == 5 * 4 * 16
    nothing = invoke("check", files.integers, *CHECK, "part", "end")  # each records something, and both record nothing
    assert (nothing.exit_code, nothing.stdout) == (2, "")
    assert "there is nothing to compare: part, end record no population in common" in nothing.stderr
    shown = invoke("check", files.integers, *CHECK, "cpu", "part")
    assert "cpu and part: equal; 320 spikes and silences of 5 samples compared" in shown.stdout
    assert "not compared, as not every target records them: neuron1, readout" in shown.stdout
    assert invoke_json("check", files.integers, *CHECK, "cpu", "spinnaker")["not_compared"] == []


def test_a_fault_in_what_is_recorded_is_found_though_its_cause_is_not(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first population is wrong and not recorded: what the second should have done there nobody knows."""
    wrong = recording_only("part", "neuron2", change=threshold_doubled("neuron1"))
    register(monkeypatch, plugin(wrong))
    result = invoke("check", files.integers, *CHECK, "cpu", "part", "--json")
    assert result.exit_code == 1, result.stderr
    first = json.loads(result.stdout)["first_mismatch"]
    cpu, part = first["sides"]
    assert first["population"] == "neuron2"
    assert cpu["value"] == cpu["due"] != part["value"]
    assert part["threshold"] == cpu["threshold"]
    assert (part["a"], part["v"], part["due"]) == (None, None, None)
    shown = invoke("check", files.integers, *CHECK, "cpu", "part")
    assert shown.exit_code == 1
    assert f"part: {part['value']}   input not recorded, threshold {part['threshold']}\n" in shown.stdout


def test_a_report_says_what_was_not_compared(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, plugin(recording_only("part", "neuron2")))
    record, verdict, page = tmp_path / "r.h5", tmp_path / "check.json", tmp_path / "page.html"
    invoke_json("run", files.integers, "--dataset", "digits", "--samples", 5, "--out", record)
    verdict.write_text(invoke("check", files.integers, *CHECK, "cpu", "part", "--json").stdout)
    arguments = ("--record", record, "--check", verdict, "--hardware", "cmos45", "--out", page)
    assert invoke("report", files.integers, *arguments).exit_code == 0
    assert "none different. Not compared: neuron1 and readout." in page.read_text("utf-8")


def test_a_network_of_input_and_output_alone_has_nothing_to_compare(tmp_path: Path) -> None:
    nodes = {"input": nir.Input({"input": np.array([3])}), "output": nir.Output({"output": np.array([3])})}
    plain, integers, data = tmp_path / "io.nir", tmp_path / "io.int.nir", tmp_path / "data.npz"
    nir_file.write(plain, nodes, [("input", "output")], ModelInfo(timesteps=2, stage="float"), {})
    np.savez(data, x=np.random.default_rng(0).random((60, 3), np.float32), y=np.arange(60) % 3)
    assert invoke("quantize", plain, "--calibrate", data, "--out", integers).exit_code == 0
    refused = invoke("check", integers, "--targets", "cpu", "spinnaker", "--dataset", data)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == f"error: {integers}: none of its populations fires, so there are no spikes to compare\n"


def test_what_check_refuses(files: Files) -> None:
    for arguments, words in (
        ((files.integers, "--targets", "cpu", "--dataset", "digits"), "two or more"),
        ((files.integers, "--targets", "cpu", "nowhere", "--dataset", "digits"), "unknown target"),
        ((files.graph, "--targets", "cpu", "loihi", "--dataset", "digits"), "inflor quantize"),
        ((files.integers, "--targets", "cpu", "float", "--dataset", "digits"), "float networks only"),
        ((files.integers, "--targets", "cpu", "float", "--dataset", "digits", "--soft-reset", "stock"), "--soft-reset"),
        ((files.integers, "--targets", "cpu", "--dataset", "digits"), "--targets cpu: "),
    ):
        result = invoke("check", *arguments)
        assert result.exit_code == 2, arguments
        assert words in result.stderr


def test_netx_of_a_hard_reset_network_and_the_refusal_of_a_soft_one(files: Files, tmp_path: Path) -> None:
    refused = invoke("convert", files.integers, "--to", "netx", "--out", tmp_path / "soft.net")
    assert refused.exit_code == 2
    assert "soft reset" in refused.stderr
    for arguments in (
        ["train", *SMALL, "--neuron", "if", "--out", tmp_path],
        ["convert", tmp_path / "model.pt"],
        ["quantize", tmp_path / "model.nir", "--calibrate", "digits", "--samples", 64, "--bits", 4],
    ):
        assert invoke(*arguments).exit_code == 0
    printed = invoke_json("convert", tmp_path / "model.int.nir", "--to", "netx")
    with h5py.File(printed["out"]) as file:
        kinds = [file[f"layer/{i}/type"][0] for i in range(len(file["layer"]))]
    assert kinds[0] == b"input"
    assert set(kinds[1:]) <= {b"dense", b"flatten"}
