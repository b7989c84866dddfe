"""inflor report in one command: what is not given is made, and what a page of it must not do."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import pytest
from command_line import Files, invoke, invoke_json
from html_page import parse

import inflor
from inflor.converter.nir import file as nir_file
from inflor.quant import file as integer_nir
from inflor.targets import registry
from inflor.targets.record import file as records


def test_no_rectifier_is_told_of_where_none_was_trained_with(files: Files, tmp_path: Path) -> None:
    """A soft reset by twice the threshold was taken for one: it is that of snnTorch with beta = 0.5."""
    graph = nir_file.read(files.graph)
    assert graph.info.provenance["membrane_potential_rectifier"] is True
    foreign = tmp_path / "foreign.nir"
    nir_file.write(foreign, graph.nodes, graph.edges, replace(graph.info, provenance={}))
    pages = {}
    for model in (files.graph, foreign):
        page = tmp_path / f"{Path(model).stem}.html"
        assert invoke("report", model, "--dataset", "digits", "--samples", 5, "--out", page).exit_code == 0
        pages[page.stem] = parse(page.read_text("utf-8")).one("main").text
    assert "rectifier" in pages["model"]
    assert "rectifier" not in pages["foreign"]
    assert "filled: float" in pages["foreign"]


def test_one_command_from_a_float_network_to_the_page(files: Files, tmp_path: Path) -> None:
    """What is not given is made, and is what the commands make one by one."""
    page = tmp_path / "all.html"
    how = ("--dataset", "digits", "--samples", 30, "--bits", 4, "--targets", "cpu", "spinnaker", "--out", page)
    result = invoke("report", files.graph, *how)
    assert result.exit_code == 0, result.stderr
    names, made = ["model.int.nir", "quant.json", "float.h5", "cpu.h5", "check.json"], tmp_path / "all.files"
    assert f"in {made}: {', '.join(names)}" in result.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all.files", "all.html"]
    assert sorted(p.name for p in made.iterdir()) == sorted(names)
    by_hand = tmp_path / "hand.int.nir"
    assert invoke("quantize", files.graph, "--bits", 4, "--calibrate", "digits", "--out", by_hand).exit_code == 0
    found, record = integer_nir.read(made / names[0]), records.read(made / names[3])
    assert [p.weight_bits for p in found.populations] == [p.weight_bits for p in integer_nir.read(by_hand).populations]
    assert inflor.run(by_hand, dataset="digits", samples=30).predictions.tolist() == record.predictions.tolist()
    shown = invoke_json("report", files.graph, *how)
    assert shown["accuracy"]["integer"] == record.accuracy
    assert shown["verdict"]["targets"] == ["cpu", "spinnaker"]
    assert shown["verdict"]["equal"]
    assert shown["made"] == [str(made / name) for name in names]
    assert not isinstance(shown["costs"], str)
    assert {"potentials", "raster"} <= shown.keys()


def test_an_integer_network_is_run_for_its_page(files: Files, tmp_path: Path) -> None:
    page = tmp_path / "i.html"
    shown = invoke_json(
        "report", files.integers, "--dataset", "digits", "--samples", 10, "--timesteps", 6, "--out", page
    )
    assert [Path(name).name for name in shown["made"]] == ["cpu.h5", "check.json"]
    assert records.read(tmp_path / "i.files" / "cpu.h5").timesteps == 6
    assert shown["verdict"]["compared"] == 6 * 2 * sum(
        p.size for p in integer_nir.read(files.integers).populations if p.role == "spiking"
    )


def test_runs_of_other_steps_are_not_compared(files: Files, tmp_path: Path) -> None:
    """Arrays of 1 and of 4 steps broadcast, and the page showed their difference; 8 and 4 ended in a defect report."""
    one, four = tmp_path / "one.h5", tmp_path / "four.h5"
    for model, steps, out in ((files.integers, 1, one), (files.graph, 4, four)):
        how = ("--dataset", "digits", "--samples", 5, "--timesteps", steps, "--out", out)
        assert invoke("run", model, *how).exit_code == 0
    both = ("report", files.integers, "--record", one, "--out", tmp_path / "p.html")
    refused = invoke(*both, "--float-record", four)
    assert refused.exit_code == 2
    assert f"is of 4 timesteps, but {one} of 1" in refused.stderr
    shown = invoke_json(*both, "--float-model", files.graph)
    alone = inflor.run(files.graph, dataset="digits", samples=5, conventions=inflor.Conventions(timesteps=1))
    assert shown["accuracy"]["float_"] == alone.accuracy


def test_what_is_made_has_a_folder_of_its_own(files: Files, tmp_path: Path) -> None:
    """It had the page's name, and wrote over a network of that name; a verdict of an earlier page stayed."""
    mine = tmp_path / "mine.int.nir"
    mine.write_bytes(Path(files.integers).read_bytes())
    how = ("--dataset", "digits", "--samples", 5, "--out", tmp_path / "mine.html")
    assert invoke("report", files.graph, *how).exit_code == 0
    assert mine.read_bytes() == Path(files.integers).read_bytes()
    verdict = tmp_path / "mine.files" / "check.json"
    assert verdict.exists()
    assert invoke("report", files.graph, *how, "--targets", "cpu").exit_code == 0
    assert not verdict.exists()
    (tmp_path / "file.files").write_text("a file")
    refused = invoke("report", files.graph, *how[:-1], tmp_path / "file.html")
    assert refused.exit_code == 2
    assert "file.files: cannot be made" in refused.stderr


def test_options_without_a_meaning_are_refused(files: Files, tmp_path: Path) -> None:
    record = tmp_path / "r.h5"
    assert invoke("run", files.integers, "--dataset", "digits", "--samples", 5, "--out", record).exit_code == 0
    page = ("--out", tmp_path / "p.html")
    assert "have no meaning" in invoke("report", files.integers, "--dataset", "digits", "--bits", 2, *page).stderr
    again = invoke("report", files.integers, "--record", record, "--samples", 3, *page)
    assert "are of what is run now" in again.stderr


def test_a_layer_that_is_rounded_away_is_reported(tmp_path: Path, make_npz) -> None:
    """Its signal to noise is 0 dB, which was read as no number."""
    nodes = {
        "input": nir.Input(np.array([6])),
        "w": nir.Linear(np.random.default_rng(0).normal(0, 0.5, (3, 6)).astype(np.float32)),
        "n": nir.IF(np.ones(3), np.full(3, 1e6), np.zeros(3)),
        "output": nir.Output(np.array([3])),
    }
    nir.write(tmp_path / "n.nir", nir.NIRGraph(nodes, list(itertools.pairwise(nodes))))
    how = ("--timesteps", 5, "--dataset", make_npz((6,), 3), "--out", tmp_path / "p.html")
    shown = invoke_json("report", tmp_path / "n.nir", *how)
    assert [p["snr"] for p in shown["populations"]] == [0]


def test_a_network_that_ends_in_a_linear_layer_is_reported(tmp_path: Path, make_npz) -> None:
    """Quantizing adds a readout behind it, which the record of the float network does not have."""
    rng = np.random.default_rng(0)
    nodes = {
        "input": nir.Input(np.array([6])),
        "w": nir.Linear(rng.normal(0, 0.5, (8, 6)).astype(np.float32)),
        "n": nir.IF(np.ones(8), np.ones(8), np.zeros(8)),
        "fc": nir.Linear(rng.normal(0, 0.5, (3, 8)).astype(np.float32)),
        "output": nir.Output(np.array([3])),
    }
    nir.write(tmp_path / "n.nir", nir.NIRGraph(nodes, list(itertools.pairwise(nodes))))
    how = ("--timesteps", 5, "--dataset", make_npz((6,), 3), "--out", tmp_path / "p.html")
    shown = invoke_json("report", tmp_path / "n.nir", *how)
    assert [p["name"] for p in shown["populations"]] == ["n", "output_sum"]
    assert shown["accuracy"]["float_"] is not None
    assert shown["verdict"]["equal"]
    by_hand = invoke_json(
        "report",
        tmp_path / "p.files" / "model.int.nir",
        "--record",
        tmp_path / "p.files" / "cpu.h5",
        *how[2:],
        "--float-record",
        tmp_path / "p.files" / "float.h5",
    )
    assert by_hand["accuracy"] == shown["accuracy"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "give the data with --dataset"),
        (("--dataset", "digits", "--check", "x.json"), "give its --record too"),
        (("--dataset", "digits", "--targets", "cpu", "toaster"), "unknown target 'toaster'"),
        (("--dataset", "digits", "--hardware", "toaster"), "unknown hardware toaster"),
        (("--dataset", "digits", "--samples", 3, "--sample", 3), "the data to be run have the samples 0 to 2"),
        (("--dataset", "digits", "--bits", 9), "is not a whole number from 2 to 8"),
    ],
)
def test_what_a_page_from_one_command_needs(files: Files, tmp_path: Path, given: tuple, message: str) -> None:
    result = invoke("report", files.graph, *given, "--out", tmp_path / "page.html")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_page_does_not_write_over_its_network(files: Files, tmp_path: Path) -> None:
    (tmp_path / "report.files").mkdir()
    mine = tmp_path / "report.files" / "model.int.nir"
    mine.write_bytes(Path(files.graph).read_bytes())
    result = invoke("report", mine, "--dataset", "digits", "--samples", 5, "--out", tmp_path / "report.html")
    assert result.exit_code == 2
    assert "is the input itself" in result.stderr
    assert mine.read_bytes() == Path(files.graph).read_bytes()


def test_a_target_that_cannot_run_it_is_left_out_and_named(files: Files, tmp_path: Path, monkeypatch) -> None:
    found = dict(registry.targets())
    loihi = found["loihi"]
    missing = replace(loihi, available=lambda: "pip install everything")
    monkeypatch.setattr(registry, "_found", lambda: ({**found, "loihi": missing}, ()))
    how = (
        "--dataset",
        "digits",
        "--samples",
        5,
        "--targets",
        "cpu",
        "loihi",
        "spinnaker",
        "--out",
        tmp_path / "p.html",
    )
    shown = invoke_json("report", files.graph, *how)
    assert shown["verdict"]["targets"] == ["cpu", "spinnaker"]
    assert any(w.startswith("loihi is not compared: ") and "pip install everything" in w for w in shown["warnings"])
