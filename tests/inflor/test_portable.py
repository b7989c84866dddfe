"""inflor convert --portable --step: for readers of plain NIR."""

from __future__ import annotations

import json

import nir
import numpy as np
from command_line import invoke


def test_a_portable_file_computes_the_same(files, tmp_path):
    out = tmp_path / "portable.nir"
    result = invoke("convert", files.model, "--out", out, "--portable", "--step", "1e-3")
    assert result.exit_code == 0, result.stderr
    assert "spelled out" in result.stdout
    assert "other spikes" not in result.stdout
    peer = nir.read(out)
    assert not any(isinstance(node, nir.IF | nir.LIF) for node in peer.nodes.values())
    assert not any("reset" in node.metadata for node in peer.nodes.values())
    integrators = [node for node in peer.nodes.values() if isinstance(node, nir.I)]
    assert integrators
    assert all(np.allclose(node.r, 1000) for node in integrators)
    runs = [invoke("run", path, "--dataset", "digits", "--samples", 100, "--json") for path in (files.graph, out)]
    before, after = (json.loads(run.stdout) for run in runs)
    assert before["accuracy"] == after["accuracy"]


def test_what_is_no_nir_file_has_no_portable_form(files):
    for option in (("--portable",), ("--step", "1e-3")):
        result = invoke("convert", files.integers, "--to", "netx", *option)
        assert result.exit_code == 2
        assert "leave them out with --to" in result.stderr
    assert invoke("convert", files.model, "--step", "0").exit_code == 2


def test_an_integer_network_has_no_portable_form(files, tmp_path):
    result = invoke("convert", files.integers, "--portable", "--out", tmp_path / "p.nir")
    assert result.exit_code == 2
    assert "is an integer network" in result.stderr
    assert "make a portable file of the float network" in result.stderr
    assert not (tmp_path / "p.nir").exists()
