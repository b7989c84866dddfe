"""inflor place, and inflor convert --to spynnaker."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from command_line import invoke
from spinnaker_networks import population, recurrent, residual, source

from inflor.converter.nir.metadata import ModelInfo
from inflor.quant import file as integer_nir
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.operators import Linear


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("place") / "small.int.nir"
    integer_nir.write(path, residual())
    return path


def test_place_writes_what_it_prints(model, tmp_path):
    pytest.importorskip("matplotlib")
    out, board = tmp_path / "place.json", tmp_path / "board.svg"
    result = invoke("place", str(model), "--out", str(out), "--draw", str(board), "--neurons-per-core", "50", "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    written = json.loads(out.read_text())
    assert written.items() <= printed.items()
    assert sum(p["neurons"] for p in written["placements"]) == 3 * 384 + 5
    assert len({(p["x"], p["y"], p["p"]) for p in written["placements"]}) == written["cores"]
    assert len({p["key"] for p in written["placements"]}) == written["cores"]
    assert sum(len(t["entries"]) for t in written["routing_tables"]) == written["routing_entries"]["after"]
    assert written["traffic"]["packet_hops"] <= written["traffic"]["naive_order"]
    assert len(ElementTree.parse(board).getroot()) > 0


def test_place_writes_over_nothing_that_it_reads(model, tmp_path):
    dead = tmp_path / "dead.json"
    dead.write_text('{"chips": [[1, 1]]}')
    both = str(tmp_path / "both.svg")
    for arguments, message in (
        (["--dead", str(dead), "--out", str(dead)], "name another file with --out"),
        (["--dead", str(dead), "--draw", str(dead)], "name another file with --draw"),
        (["--out", both, "--draw", both], "named for two files"),
    ):
        result = invoke("place", str(model), *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
    assert dead.read_text() == '{"chips": [[1, 1]]}'


def test_place_says_why(model):
    result = invoke("place", str(model), "--cores-per-chip", "1")
    assert result.exit_code == 0, result.output
    assert "neurons per core" in result.stdout
    assert "packets x hops" in result.stdout


def test_dead_chips_and_rates_are_taken(model, data, tmp_path):
    dead, record = tmp_path / "dead.json", tmp_path / "record.h5"
    dead.write_text('{"chips": [[0, 0], [1, 1]]}')
    ran = invoke("run", str(model), "--target", "spinnaker", "--dataset", str(data), "--out", str(record))
    assert ran.exit_code == 0, ran.output
    result = invoke("place", str(model), "--dead", str(dead), "--record", str(record), "--json")
    assert result.exit_code == 0, result.output
    plain = json.loads(result.stdout)
    assert {(p["x"], p["y"]) for p in plain["placements"]}.isdisjoint({(0, 0), (1, 1)})
    uniform = json.loads(invoke("place", str(model), "--dead", str(dead), "--json").stdout)
    heard, all_fire = (p["populations"][2]["packets_heard"] for p in (plain, uniform))
    assert 0 < heard < all_fire


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, x=np.random.default_rng(0).random((25, 2, 8, 8)).astype(np.float32), y=np.arange(25) % 5)
    return path


def test_run_and_check_lay_out_as_place_does(model, data, tmp_path):
    """The same options of all three commands: the same cores, boards and dead chips."""
    dead = tmp_path / "dead.json"
    dead.write_text('{"chips": [[0, 0]]}')
    layout = ["--neurons-per-core", "40", "--cores-per-chip", "3", "--boards", "3", "--dead", str(dead)]
    layout += ["--placement", "naive", "--chip", "spinnaker1", "--neurons", "custom", "--json"]
    placed = json.loads(invoke("place", str(model), *layout).stdout)
    ran = invoke("run", str(model), "--target", "spinnaker", "--dataset", str(data), "--samples", "2", *layout)
    assert ran.exit_code == 0, ran.output
    plan = json.loads(ran.stdout)["provenance"]["plan"]
    same = ("cores", "boards", "chips", "routing_entries", "traffic")
    assert [plan[name] for name in same] == [placed[name] for name in same]
    assert placed["traffic"]["packet_hops"] == placed["traffic"]["naive_order"]
    checked = invoke("check", str(model), "--targets", "cpu", "spinnaker", "--dataset", str(data), *layout)
    assert json.loads(checked.stdout)["equal"] is True, checked.output


def test_place_says_what_cycles_and_another_chip_take(tmp_path):
    path = tmp_path / "cycle.int.nir"
    integer_nir.write(path, recurrent())
    result = invoke("place", str(path), "--chip", "spinnaker2")
    assert result.exit_code == 0, result.output
    assert "2 ticks per step, and 3 guard steps after each sample" in result.stdout
    assert "are SpiNNaker 1's, because none are published for it" in result.stdout


def test_a_run_says_which_ticks_were_too_short(model, data):
    """1 ms is not enough for the core of the readout."""
    ran = invoke("run", str(model), "--target", "spinnaker", "--dataset", str(data), "--time-scale", "1")
    assert ran.exit_code == 0, ran.output
    assert "note: the mapping breaks a limit of the chip: population 'out': instructions" in ran.stdout
    assert "give --time-scale 2 or more (19 late ticks)" in ran.stdout


def test_a_chip_goes_to_its_own_target(model, data):
    arguments = ["check", str(model), "--targets", "cpu", "spinnaker", "--dataset", str(data), "--samples", "1"]
    refused = invoke(*arguments, "--chip", "loihi1")
    assert refused.exit_code == 2
    assert "--chip loihi1: choose one of spinnaker1, spinnaker2" in refused.stderr
    assert invoke(*arguments, "--chip", "spinnaker1").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "cpu"], "no cores"),
        (["--target", "loihi", "--draw", "board.svg"], "no board to draw"),
        (["--boards", "2"], "1 or a multiple of 3"),
        (["--chip", "spinnaker3"], "'spinnaker1', 'spinnaker2'"),
        (["--chip", "loihi1"], "--chip loihi1: choose one of spinnaker1, spinnaker2"),
        (["--neurons-per-core", "300"], "1 to 256"),
        (["--dead", "missing.json"], "missing.json"),
        (["--draw", "board.jpg"], ".svg or .png"),
    ],
)
def test_bad_arguments_end_with_one_message(model, arguments, message):
    result = invoke("place", str(model), *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


def test_convert_refuses_soft_reset_and_writes_hard_reset(model, tmp_path):
    refused = invoke("convert", str(model), "--to", "spynnaker", "--out", str(tmp_path / "a.py"))
    assert refused.exit_code == 2
    assert "resets by subtraction" in refused.stderr
    populations = (
        source((4,)),
        population("n1", (3,), threshold=50, reset="zero"),
        population("out", (2,), "readout", reset="none"),
    )
    weights = [[[9] * 4] * 3, [[5] * 3] * 2]
    projections = (
        Projection("input", "n1", (Linear("a", np.array(weights[0])),)),
        Projection("n1", "out", (Linear("b", np.array(weights[1])),)),
    )
    network = IntegerNetwork(
        populations, projections, ("out",), ModelInfo(timesteps=2, stage="integer"), input_bits=8, source="hard"
    )
    path, out = tmp_path / "hard.int.nir", tmp_path / "hard.py"
    integer_nir.write(path, network)
    done = invoke("convert", str(path), "--to", "spynnaker", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "0.1 %" in done.stdout
    compile(out.read_text(), str(out), "exec")
    assert set(np.load(tmp_path / "hard.py.npz").files) >= {"link0", "n1.0.v_thresh", "n1.host0.weight"}
    (tmp_path / "hard.npz").write_text("data that stand beside it")
    assert invoke("convert", str(path), "--to", "spynnaker", "--out", str(out)).exit_code == 0
    assert (tmp_path / "hard.npz").read_text() == "data that stand beside it"


def test_loihi_says_which_population_every_core_holds(model):
    result = invoke("place", str(model), "--target", "loihi", "--chip", "loihi1")
    assert result.exit_code == 0
    assert result.stdout.startswith("core ")
    assert "loihi1: cores" in result.stdout
    assert "use --soft-reset stock" in result.stdout
    stock = invoke("place", str(model), "--target", "loihi", "--chip", "loihi1", "--soft-reset", "stock")
    assert "neuron programs" not in stock.stdout
