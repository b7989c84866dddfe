"""`inflor check`, `run --target loihi` and `convert --to netx`, as a user calls them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import textwrap
from pathlib import Path

import h5py
import pytest
from command_line import SMALL, Files, command, environment, invoke, invoke_json

import inflor

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
