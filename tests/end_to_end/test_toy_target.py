"""The teaching target is short, stands on its own, and is served by every command without a line that names it."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy
from command_line import environment, invoke, invoke_json

from inflor.quant import file as integer_nir
from inflor.quant.ir.neuron import NeuronRule, Subtract
from inflor.targets import registry, running
from inflor.targets.api import UnplaceableError

ROOT = toy.FOLDER.parents[1]
FILES = sorted(path for path in toy.FOLDER.rglob("*") if path.suffix in (".py", ".toml"))
TRAINED = ["--dataset", "digits", "--model", "mlp", "--channels", "16", "--epochs", "1", "--threads", "1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    for arguments in (
        ["train", *TRAINED, "--out", folder],
        ["convert", folder / "model.pt"],
        ["quantize", folder / "model.nir", "--calibrate", "digits", "--samples", 64],
    ):
        assert invoke(*arguments).exit_code == 0
    return folder / "model.int.nir"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    toy.install(monkeypatch, tmp_path_factory.mktemp("installed"))
    yield
    toy.forget()


def test_it_is_under_120_lines_and_calls_neither_emulator_nor_reference() -> None:
    assert [path.name for path in FILES] == ["pyproject.toml", "__init__.py", "machine.py"]
    assert sum(len(path.read_text().splitlines()) for path in FILES) < 120
    imported = set()
    for path in FILES[1:]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module)
            elif isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
    known = {"dataclasses", "typing", "numpy", "toy_target"}
    assert {name for name in imported - known if not name.startswith(("inflor.quant.", "inflor.targets."))} == set()
    barred = ("inflor.quant.run", "inflor.quant.ir.reference", "inflor.targets.cpu", "inflor.targets.equivalence")
    assert [name for name in imported if name.startswith(barred)] == []


def test_no_line_of_ours_names_it() -> None:
    for folder in ("converter", "quant", "targets", "inflor"):
        for path in (ROOT / folder).glob("**/*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                assert not (isinstance(node, ast.Constant) and node.value in ("toy", "toy1")), path


def test_it_is_listed_with_its_option_and_its_chip() -> None:
    found = invoke_json("targets", "toy")
    assert [option["flag"] for option in found["options"]] == ["--neurons-per-core N"]
    assert found["chips"] == [{"name": "toy1", "what": "Toy 1"}]
    assert {"delays", "biases"} <= set(found["features"])
    assert "toy" in {target["name"] for target in invoke_json("targets")["targets"]}


def test_it_places_with_its_own_option(model: Path) -> None:
    placed = invoke_json("place", model, "--target", "toy", "--neurons-per-core", 16)
    assert placed["cores"] == -(-sum(row["neurons"] for row in placed["rows"]) // 16)
    shown = invoke("place", model, "--target", "toy").stdout.splitlines()
    assert shown[0].split() == ["name", "neurons", "cores"]
    assert [line.split()[0] for line in shown[1:4]] == ["neuron1", "neuron2", "readout"]
    refused = invoke("place", model, "--target", "toy", "--neurons-per-core", 15)
    assert refused.exit_code == 2
    assert "--neurons-per-core" in refused.stderr
    assert "15" in refused.stderr


def test_it_refuses_what_breaks_its_limits(model: Path) -> None:
    network = integer_nir.read(model)
    first = next(p for p in network.populations if p.role == "spiking")
    wide = replace(
        network,
        projections=tuple(replace(q, exponent=24 if q.target == first.name else 0) for q in network.projections),
    )
    with pytest.raises(UnplaceableError, match=r"population 'neuron1': bits \d+, allowed is 32; use fewer"):
        running.place(registry.find("toy"), wide)
    large = replace(
        first,
        shape=(64 * 128,),
        rule=NeuronRule(threshold=np.ones((), np.int64), reset=Subtract(np.ones((), np.int64))),
    )
    alone = replace(network, populations=(network.inputs[0], large), projections=(), outputs=(large.name,))
    assert running.place(registry.find("toy"), alone).summary() == {"cores": 64}
    with pytest.raises(UnplaceableError, match="neurons 8193, allowed is 8192; allow more `neurons_per_core`"):
        running.place(
            registry.find("toy"), replace(alone, populations=(network.inputs[0], replace(large, shape=(8193,))))
        )


def test_it_runs_checks_estimates_and_reports(model: Path, tmp_path: Path) -> None:
    record, page = tmp_path / "record.h5", tmp_path / "report.html"
    run = invoke_json("run", model, "--target", "toy", "--dataset", "digits", "--samples", 12, "--out", record)
    same = invoke_json("run", model, "--target", "cpu", "--dataset", "digits", "--samples", 12)
    assert run["accuracy"] == same["accuracy"]
    assert [p["spikes"] for p in run["populations"]] == [p["spikes"] for p in same["populations"]]
    verdict = invoke_json("check", model, "--targets", "cpu", "toy", "--dataset", "digits", "--samples", 3)
    assert verdict["equal"]
    assert verdict["compared_spikes"] > 0
    costs = invoke_json("estimate", model, "--record", record, "--hardware", "toy1", "cmos45")
    toy1 = costs["hardware"]["toy1"]
    assert toy1["cores"] == 1
    terms = {term["name"]: term for term in toy1["terms"]}
    assert toy1["energy_joules"] == pytest.approx(
        5e-12 * (terms["synaptic events"]["count"] + terms["input events"]["count"])
        + 9e-12 * terms["neuron updates"]["count"]
    )
    assert terms["synaptic events"]["count"] == pytest.approx(costs["counts"]["per_inference"]["synaptic_events"])
    assert "A. Toymaker" in terms["neuron updates"]["source"]
    everything = invoke_json("estimate", model, "--record", record)
    assert {"toy1", "loihi2", "spinnaker1", "cmos45"} <= set(everything["hardware"])
    found = invoke_json("report", model, "--record", record, "--targets", "cpu", "toy", "--out", page)
    drawn = {chip["title"]: chip for chip in found["chips"] if "cores" in chip}
    assert {"Loihi 2", "SpiNNaker 1", "Toy 1"} <= set(drawn)
    held = {part["name"]: part["neurons"] for part in drawn["Toy 1"]["cores"][0]["populations"]}
    assert held == {p["name"]: p["neurons"] for p in found["populations"]}
    text = page.read_text()
    assert "Cores of Toy 1 by population" in text
    assert "A. Toymaker, A chip that does not exist" in text


def test_a_second_chip_of_a_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "twin.py").write_text(
        "from dataclasses import replace\nimport toy_target\nTARGET = replace(toy_target.TARGET, name='twin')\n"
    )
    toy.write_metadata(tmp_path, "twin", "twin = twin:TARGET")
    monkeypatch.syspath_prepend(tmp_path)
    toy.forget()
    (broken,) = json.loads(invoke("targets", "--json").stdout)["broken"]
    assert broken["name"] == "twin"
    assert "its chip 'toy1' is one of target 'toy' already" in broken["reason"]


def test_pip_installs_it(tmp_path: Path) -> None:
    if importlib.util.find_spec("pip") is None or importlib.util.find_spec("setuptools") is None:
        pytest.skip("pip and setuptools are not installed here")
    source, target = tmp_path / "source", tmp_path / "site"
    shutil.copytree(toy.FOLDER, source)
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = subprocess.run(
        [*install, "--target", target, source],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code = "from inflor.targets import registry; print(registry.find('toy').summary)"
    paths = os.pathsep.join([str(target), os.environ.get("PYTHONPATH", "")])
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=environment(PYTHONPATH=paths),
        check=False,
    )
    assert found.stdout.strip() == "a toy chip that shows how a target is written", found.stderr
