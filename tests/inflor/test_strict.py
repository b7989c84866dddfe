"""What `check` and `run` say, and with --strict refuse, where potentials saturate or inputs are clipped."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import nir
import numpy as np
import pytest
from command_line import invoke, invoke_json

needs_lava = pytest.mark.skipif(importlib.util.find_spec("lava") is None, reason="lava-nc is not installed (make lava)")


@pytest.fixture(scope="module")
def inhibited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hard-reset neurons that inhibition drives to 115,000 thresholds below 0: 24 bits cannot hold that."""
    folder = tmp_path_factory.mktemp("inhibited")
    rng = np.random.default_rng(0)
    nodes = {
        "input": nir.Input({"input": np.array([16])}),
        "fc": nir.Linear(weight=-np.abs(rng.normal(1, 0.1, (2, 16))).astype("f4")),
        "n": nir.IF(r=np.ones(2), v_threshold=np.full(2, 0.05), v_reset=np.zeros(2)),
        "output": nir.Output({"output": np.array([2])}),
    }
    names = list(nodes)
    nir.write(folder / "m.nir", nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(names))))
    x = (rng.random((2, 400, 16)) < 0.9).astype("u1")
    np.savez(folder / "d.npz", x_train=x, y_train=np.arange(2), x_test=x, y_test=np.arange(2))
    np.savez(folder / "far.npz", x_train=x * 3, y_train=np.arange(2), x_test=x * 3, y_test=np.arange(2))
    made = ("--calibrate", folder / "d.npz", "--out", folder / "m.int.nir")
    assert invoke("quantize", folder / "m.nir", *made).exit_code == 0
    return folder


@needs_lava
def test_equal_but_saturated(inhibited: Path) -> None:
    what = (inhibited / "m.int.nir", "--targets", "cpu", "loihi", "--dataset", inhibited / "d.npz", "--samples", 1)
    printed = invoke_json("check", *what)
    assert (printed["equal"], printed["sound"], printed["clipped"]) == (True, False, 0)
    (count,) = printed["saturated"]["loihi"].values()
    shown = invoke("check", *what)
    assert (shown.exit_code, invoke("check", *what, "--strict").exit_code) == (0, 1)
    assert f"cpu and loihi: equal, but {count} potentials saturated in 'n'; 800 spikes" in shown.stdout
    assert f"note: {count} potentials of 'n' left their width on loihi" in shown.stdout
    assert "note: population 'n' never fires" in shown.stdout
    ran = ("run", inhibited / "m.int.nir", "--target", "loihi", "--dataset", inhibited / "d.npz", "--samples", 1)
    refused = invoke(*ran, "--strict", "--out", inhibited / "strict.h5")
    assert refused.exit_code == 2
    assert f"{count} potentials of population 'n' left their width, which --strict does not allow" in refused.stderr
    assert not (inhibited / "strict.h5").exists()
    assert invoke(*ran).exit_code == 0


def test_inputs_that_are_clipped(inhibited: Path) -> None:
    what = (inhibited / "m.int.nir", "--targets", "cpu", "spinnaker", "--dataset", inhibited / "far.npz")
    shown = invoke("check", *what)
    assert (shown.exit_code, invoke("check", *what, "--strict").exit_code) == (0, 1)
    assert "% of the inputs were clipped" in shown.stdout
    ran = ("run", inhibited / "m.int.nir", "--dataset", inhibited / "far.npz")
    assert "lie outside the range calibrated, 0 to 1 units, and are clipped" in invoke(*ran).stdout
    refused = invoke(*ran, "--strict")
    assert (refused.exit_code, "which --strict does not allow" in refused.stderr) == (2, True)
