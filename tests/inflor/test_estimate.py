"""inflor estimate: on a trained network, against a loop over its spikes; and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Files, invoke, invoke_json
from counting import Loop

import inflor
from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.quant import file as integer_nir
from inflor.targets.record import file as records


@pytest.fixture(scope="module")
def record(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("estimate") / "record.h5"
    arguments = ("--dataset", "digits", "--samples", 3, "--out", path)
    assert invoke("run", files.integers, *arguments).exit_code == 0
    return path


def test_counts_of_a_trained_network_equal_a_loop_over_its_spikes(files: Files, record: Path) -> None:
    found = invoke_json("estimate", files.integers, "--record", record, "--hardware", "cmos45", "--dataset", "digits")
    network = integer_nir.from_graph(nir_file.read(files.integers))
    data = inflor.load_dataset("digits")
    x = network.quantize_input(network.info.normalize(data.x_test[:3]))
    assert (x == x.min()).any()
    loop = Loop(network, records.read(record), x)
    expected = [loop.count(p["name"]) for p in found["counts"]["populations"]]
    for name in ("spikes", "synaptic_events", "zero_weight_events", "input_macs", "neuron_updates", "active_updates"):
        assert [p[name] for p in found["counts"]["populations"]] == [e[name] for e in expected], name
        assert found["counts"][name] == sum(e[name] for e in expected)
        assert found["counts"]["per_inference"][name] == found["counts"][name] / 3
    fp32 = found["hardware"]["cmos45_fp32"]["energy_joules"]
    by_hand = found["counts"]["synaptic_events"] * 0.9e-12 + found["counts"]["input_macs"] * 4.6e-12
    assert fp32 == pytest.approx(by_hand / 3, rel=1e-9)


def test_all_hardware_with_sources(files: Files, record: Path) -> None:
    found = invoke_json("estimate", files.integers, "--record", record)
    assert {e["hardware"] for e in found["hardware"].values()} == {
        "loihi1",
        "loihi2",
        "spinnaker1",
        "spinnaker2",
        "cmos45",
    }
    assert found["samples"] == 3
    for name, e in found["hardware"].items():
        for key in ("energy_joules", "latency_seconds", "cores"):
            assert key in e, name
        for term in e["terms"]:
            assert {"name", "count", "unit_energy", "source", "kind"} <= term.keys()
            assert term["source"], name
    assert found["hardware"]["loihi1"]["energy_joules"] > 0
    assert found["hardware"]["cmos45"]["latency_seconds"] is None


@pytest.mark.parametrize(
    ("table", "start"), [("text", "population"), ("markdown", "| hardware |"), ("latex", r"\begin")]
)
def test_tables(files: Files, record: Path, table: str, start: str) -> None:
    names = ("--hardware", "loihi1", "spinnaker1", "--table", table)
    result = invoke("estimate", files.integers, "--record", record, *names)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(start)
    assert "Davies" in result.stdout
    assert "SpiNNMachine" in result.stdout
    assert "Horowitz" not in result.stdout


def test_the_python_function_takes_objects_and_returns_plain_ones(files: Files, record: Path) -> None:
    report = inflor.estimate(files.integers, record, ["spinnaker2"])
    again = inflor.estimate(integer_nir.from_graph(nir_file.read(files.integers)), records.read(record), ["spinnaker2"])
    assert json.dumps(report.as_dict()["hardware"]) == json.dumps(again.as_dict()["hardware"])


def test_one_name_is_taken_and_a_float_graph_is_refused(files: Files, record: Path) -> None:
    assert {e.hardware for e in inflor.estimate(files.integers, record, "loihi1").estimates} == {"loihi1"}
    with pytest.raises(InputError, match="is a float network"):
        inflor.estimate(nir_file.read(files.graph), record)


def test_what_is_refused(files: Files, record: Path, tmp_path: Path, make_npz: Callable[..., Path]) -> None:
    bare, plain, other = tmp_path / "bare.h5", tmp_path / "float.h5", tmp_path / "other.int.nir"
    run = ("--dataset", "digits", "--samples", 2, "--out")
    assert invoke("run", files.integers, "--no-spikes", *run, bare).exit_code == 0
    assert invoke("run", files.graph, *run, plain).exit_code == 0
    assert invoke("quantize", files.graph, "--bits", 4, "--calibrate", "digits", "--out", other).exit_code == 0
    cases = [
        ((files.integers, "--record", bare), "without spikes"),
        ((files.integers, "--record", plain), "float network"),
        ((other, "--record", record), "digests differ"),
        ((files.graph, "--record", record), "inflor quantize"),
        ((files.integers, "--record", tmp_path / "none.h5"), "none.h5"),
        ((files.integers, "--record", record, "--hardware", "loihi9"), "unknown hardware loihi9"),
        ((files.integers, "--record", record, "--dataset", make_npz((1, 8, 8), 10)), "is of the data set digits"),
    ]
    for arguments, message in cases:
        result = invoke("estimate", *arguments)
        assert result.exit_code == 2, arguments
        assert result.stderr.startswith("error: "), arguments
        assert message in result.stderr, result.stderr
        assert "Traceback" not in result.output


def test_counts_of_a_trained_convolutional_network(tmp_path: Path) -> None:
    """Borders, strides, a pool and zeros of trained weights."""
    model, graph, integers, record = (tmp_path / n for n in ("model.pt", "a.nir", "a.int.nir", "record.h5"))
    small = ("--model", "convnet", "--channels", 3, "--epochs", 1, "--threads", 1, "--timesteps", 3)
    for arguments in (
        ("train", "--dataset", "digits", *small, "--out", tmp_path),
        ("convert", model, "--out", graph),
        ("quantize", graph, "--bits", 4, "--calibrate", "digits", "--samples", 64, "--out", integers),
        ("run", integers, "--dataset", "digits", "--samples", 2, "--out", record),
    ):
        assert invoke(*arguments).exit_code == 0, arguments
    report = inflor.estimate(integers, record)
    loop = Loop(integer_nir.from_graph(nir_file.read(integers)), records.read(record))
    assert report.counts.total("zero_weight_events") > 0
    for population in report.counts.populations:
        expected = loop.count(population.name)
        for name in ("spikes", "synaptic_events", "zero_weight_events", "input_macs", "active_updates"):
            assert getattr(population, name) == expected[name], (population.name, name)
