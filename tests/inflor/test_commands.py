"""What every command prints and writes when all is well."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import SMALL, Files, invoke, invoke_json, run_process
from signing import sign_again

from inflor.converter.datasets.load import load
from inflor.converter.nir import file as nir_file
from inflor.converter.simulate import execute
from inflor.converter.train import checkpoint
from inflor.quant import file as integer_nir
from inflor.targets.record import file as record

TEST_SAMPLES = 360


def test_train_writes_a_model_and_says_how_good_it_is(tmp_path: Path) -> None:
    printed = invoke_json("train", *SMALL, "--seed", 3, "--timesteps", 2, "--neuron", "lif", "--out", tmp_path)
    assert printed["model"] == str(tmp_path / "model.pt")
    assert printed["config"]["timesteps"] == 2
    assert printed["config"]["neuron"]["kind"] == "lif"
    assert len(printed["epochs"]) == 4
    network, _ = checkpoint.load_model(tmp_path / "model.pt")
    assert (network.timesteps, network.neuron.kind) == (2, "lif")
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["test_accuracy"] == printed["test_accuracy"] > 0.2


def test_the_same_seed_trains_the_same_weights_and_another_does_not(files: Files, tmp_path: Path) -> None:
    again = invoke_json("train", *SMALL, "--out", tmp_path / "again")
    other = invoke_json("train", *SMALL, "--seed", 1, "--out", tmp_path / "other")
    weights = [checkpoint.load_model(p)[0].state_dict()["layers.fc1.weight"] for p in (files.model, again["model"])]
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(checkpoint.load_model(other["model"])[0].state_dict()["layers.fc1.weight"])


def test_convert_exports_next_to_the_model_and_prints_the_notes(files: Files) -> None:
    result = invoke("convert", files.model, "--out", files.folder / "other.nir")
    assert result.exit_code == 0
    assert "rectifier is dropped" in result.stdout
    assert "Soft reset" in result.stdout
    graph, other = nir_file.read(files.graph), nir_file.read(files.folder / "other.nir")
    assert graph.order == other.order
    assert graph.info.provenance["made_from"] == "model.pt"


def test_convert_of_a_nir_file_validates_and_writes_only_where_told(files: Files, tmp_path: Path) -> None:
    before = sorted(files.folder.iterdir())
    checked = invoke_json("convert", files.graph)
    assert (checked["valid"], checked["out"], checked["stage"]) == (True, None, "float")
    assert {"name": "neuron1", "type": "IF"} in checked["nodes"]
    assert sorted(files.folder.iterdir()) == before
    for source in (files.graph, files.integers):
        copy = tmp_path / source.name
        invoke_json("convert", source, "--out", copy)
        old, new = nir_file.read(source), nir_file.read(copy)
        assert (old.order, old.info, dict(old.metadata)) == (new.order, new.info, dict(new.metadata))


def test_quantize_reports_every_population(files: Files, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    printed = invoke_json(
        *("quantize", files.graph, "--calibrate", "digits", "--bits", 4, "--granularity", "population"),
        *("--samples", 50, "--out", tmp_path / "four.int.nir", "--report", report),
    )
    assert [layer["population"] for layer in printed["layers"]] == ["neuron1", "neuron2", "readout"]
    assert (printed["bits"], printed["granularity"], printed["samples"]) == (4, "population", 50)
    written = json.loads(report.read_text())
    written, more = {**written, "checksum": None}, ("model", "out", "notes")
    assert written == {**{key: value for key, value in printed.items() if key not in more}, "checksum": None}
    network = integer_nir.read(tmp_path / "four.int.nir")
    assert all(
        p.weight_bits == 4 and np.unique(p.rule.threshold).size == 1 for p in network.populations if p.kind == "if"
    )
    assert network.info.provenance["options"]["bits"] == 4
    assert network.info.provenance["float"]["made_from"] == "model.pt"


def test_quantize_prints_a_table_that_greps(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "a.int.nir"
    result = invoke("quantize", files.graph, "--calibrate", "digits", "--samples", 50, "--out", out)
    line = next(line for line in result.stdout.splitlines() if line.startswith("neuron1 "))
    assert line.split()[1:3] == ["8", "0"]
    assert result.stdout.isascii()
    assert "(50 samples, none of them calibrated on)" in result.stdout


@pytest.mark.parametrize(("name", "target"), [("graph", "float"), ("integers", "cpu")])
def test_run_counts_what_the_record_holds(files: Files, tmp_path: Path, name: str, target: str) -> None:
    out, model = tmp_path / "record.h5", getattr(files, name)
    printed = invoke_json("run", model, "--dataset", "digits", "--samples", 30, "--out", out)
    assert (printed["target"], printed["samples"], printed["timesteps"]) == (target, 30, 4)
    assert printed["samples_per_second"] == pytest.approx(30 / printed["seconds"])
    assert [(p["name"], p["depth"], p["shape"]) for p in printed["populations"]] == [
        ("neuron1", 1, [16]),
        ("neuron2", 2, [16]),
        ("readout", 3, [10]),
    ]
    kept = record.read(out)
    for population in printed["populations"][:2]:
        spikes = int(kept.spikes(population["name"]).sum())
        assert population["spikes"] == spikes > 0
        assert population["rate"] == pytest.approx(spikes / (30 * 4 * 16))
    assert printed["accuracy"] == float((kept.predictions == kept.labels).mean())
    assert kept.run["dataset"] == "digits"
    assert len(kept.run["sha256"]) == 64


def test_a_float_run_is_what_the_executor_computes(files: Files) -> None:
    printed = invoke_json("run", files.graph, "--dataset", "digits")
    assert printed["samples"] == TEST_SAMPLES
    graph, data = nir_file.read(files.graph), load("digits")
    result = execute.run(graph, graph.info.normalize(data.x_test), 4)
    assert {p["name"]: p["spikes"] for p in printed["populations"] if p["kind"] == "if"} == {
        name: int(spikes.sum()) for name, spikes in result.spikes.items()
    }
    right = int((result.potentials["readout"][-1].argmax(1).numpy() == data.y_test).sum())
    assert printed["accuracy"] == right / TEST_SAMPLES


def test_run_does_not_depend_on_memory_and_split_is_heeded(files: Files) -> None:
    wide = invoke_json("run", files.integers, "--dataset", "digits", "--split", "train", "--samples", 100)
    narrow = invoke_json(
        *("run", files.integers, "--dataset", "digits", "--split", "train", "--samples", 100),
        *("--memory", "64K", "--threads", 1),
    )
    test = invoke_json("run", files.integers, "--dataset", "digits", "--samples", 100)
    assert narrow["provenance"]["plan"]["batch"] < 100 <= wide["provenance"]["plan"]["batch"]
    assert narrow["populations"] == wide["populations"] != test["populations"]


def test_overflows_are_reported(files: Files) -> None:
    arguments = ("run", files.integers, "--dataset", "digits", "--samples", 20, "--state-bits", 8)
    counted = invoke_json(*arguments, "--overflow", "saturate")
    assert counted["overflows"]["neuron1"] > 0
    shown = invoke(*arguments, "--overflow", "saturate").stdout
    assert f"overflow: population neuron1: {counted['overflows']['neuron1']} membrane" in shown
    refused = invoke(*arguments)
    assert refused.exit_code == 2
    assert "population 'neuron1'" in refused.stderr


def test_run_prints_one_row_a_population_and_one_line_of_accuracy(files: Files) -> None:
    done = run_process("run", files.integers, "--dataset", "digits", "--samples", 20)
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert [line.split()[0] for line in lines[:4]] == ["population", "neuron1", "neuron2", "readout"]
    assert [line for line in lines if line.startswith("accuracy ")] == [lines[4]]
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout


def test_info_tells_the_four_artifacts_apart(files: Files, tmp_path: Path) -> None:
    invoke_json("run", files.integers, "--dataset", "digits", "--samples", 5, "--out", tmp_path / "r.h5")
    trained, graph = invoke_json("info", files.model), invoke_json("info", files.graph)
    integers, kept = invoke_json("info", files.integers), invoke_json("info", tmp_path / "r.h5")
    running = invoke_json("info", files.folder / "checkpoint.pt")
    assert trained["kind"] == "trained network (model.pt)"
    assert trained["parameters"] == 64 * 16 + 2 * 16 + 16 * 16 + 2 * 16 + 16 * 10 + 10
    assert (running["kind"], running["epochs_trained"]) == ("checkpoint of a training", 4)
    assert {node["name"]: node["threshold"] for node in graph["nodes"]}["neuron1"] == [np.float32(0.49999997)] * 2
    assert {node["name"]: node["reset"] for node in graph["nodes"]}["neuron2"] == "minus 1"
    network = integer_nir.read(files.integers)
    first = next(p for p in integers["populations"] if p["name"] == "neuron1")
    assert first["threshold"] == [
        network.by_name["neuron1"].rule.threshold.min(),
        network.by_name["neuron1"].rule.threshold.max(),
    ]
    assert [q["weights"] for q in integers["projections"]] == [[16, 64], [16, 16], [10, 16]]
    assert (kept["kind"], kept["samples"], kept["dataset"]) == ("record of a run", 5, "digits")


@pytest.mark.parametrize("name", ["model", "graph", "integers"])
def test_info_prints_for_a_person(files: Files, name: str) -> None:
    result = invoke("info", getattr(files, name))
    assert result.exit_code == 0
    assert "\ndataset" in result.stdout
    assert any(line.startswith("neuron1 ") for line in result.stdout.splitlines())


def test_a_name_with_control_characters_is_shown_and_not_obeyed(files: Files, tmp_path: Path) -> None:
    strange = tmp_path / "strange.nir"
    strange.write_bytes(files.graph.read_bytes())
    with h5py.File(strange, "a") as file:
        nodes = file["node/nodes"]
        nodes.move("neuron1", "\x1b[31m[red]one")
        edges = file["node/edges"]
        renamed = [[b"\x1b[31m[red]one" if end == b"neuron1" else end for end in edge] for edge in edges[()]]
        del file["node/edges"]
        file["node/edges"] = np.array(renamed, h5py.string_dtype())
    sign_again(strange)
    result = invoke("info", strange)
    assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.stdout
    assert "\\x1b[31m[red]one" in result.stdout


def test_targets_lists_what_is_registered() -> None:
    found = {target["name"]: target for target in invoke_json("targets")["targets"]}
    assert found["cpu"]["input"] == "integer"
    assert found["float"]["missing"] is None
    assert invoke("targets").stdout.startswith("target")


def test_demo_goes_all_the_way(tmp_path: Path) -> None:
    done = run_process("demo", "--model", "mlp", "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    commands = [line.split("    #")[0].removeprefix("$ ") for line in done.stdout.splitlines() if line[:1] == "$"]
    assert [line.split()[1] for line in commands] == [
        *("train", "convert", "quantize", "run", "run", "check", "report")
    ]
    written = json.loads((tmp_path / "demo" / "demo.json").read_text())
    assert written["commands"] == commands
    assert f"test accuracy in float     {100 * written['accuracy_float']:.2f} %" in done.stdout
    assert written["accuracy_float"] > 0.9
    assert written["equivalence"]["equal"] is True
    assert written["report"] == str(tmp_path / "demo" / "report.html")
    assert f"all of it on one page: {written['report']}" in done.stdout
    page = (tmp_path / "demo" / "report.html").read_text("utf-8")
    again = tmp_path / "again.html"
    assert invoke(*commands[-1].split()[1:-1], again).exit_code == 0
    assert again.read_text("utf-8") == page
    by_hand = invoke_json(*commands[4].split()[1:])
    assert by_hand["accuracy"] == written["accuracy_integer"]
    assert by_hand["populations"] == written["integer"]["populations"]
    names = ("model.pt", "model.nir", "model.int.nir", "quant.json", "float.h5", "cpu.h5", "metrics.json")
    for name in (*names, "check.json", "report.html"):
        assert (tmp_path / "demo" / name).is_file()
        assert name in done.stdout
