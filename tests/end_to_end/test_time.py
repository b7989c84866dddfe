"""Networks of other frameworks on the command line: conventions by option, and data of frames over time."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
import torch
from command_line import invoke, invoke_json

import inflor
from inflor import options
from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.frameworks import FRAMEWORKS
from inflor.converter.nir.metadata import INTEGRATIONS, ModelInfo
from inflor.converter.passes.conventions import Conventions
from inflor.converter.simulate import execute
from inflor.targets.record import file as record

FEATURES, HIDDEN, CLASSES, STEPS = 5, 6, 3, 7


def test_the_choices_are_those_of_the_converter() -> None:
    assert tuple(FRAMEWORKS) == options.FRAMEWORKS
    assert INTEGRATIONS == options.INTEGRATIONS
    text = " ".join(invoke("convert", "--help").stdout.split())
    assert [name for name in FRAMEWORKS if name not in text] == []
    for command in ("convert", "quantize", "run", "info"):
        help_text = invoke(command, "--help").stdout
        assert [option for option in ("--from", "--dt", "--integration", "--reset") if option not in help_text] == []


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A recurrent network as snnTorch writes it: no word on time, reset or steps; dt is 1e-4."""
    rng = np.random.default_rng(0)
    tau = np.full(HIDDEN, 5e-4, np.float32)
    weights = {shape: rng.normal(0, 0.7, shape).astype(np.float32) for shape in ((6, 5), (6, 6), (3, 6))}
    zero, one = np.zeros(HIDDEN, np.float32), np.ones(HIDDEN, np.float32)
    nodes = {
        "input": nir.Input(np.array([FEATURES])),
        "fc": nir.Affine(weights[6, 5], zero),
        "lif": nir.LIF(tau, tau / np.float32(1e-4), zero, one, zero),
        "rec": nir.Linear(weights[6, 6]),
        "out": nir.Linear(weights[3, 6]),
        "sum": nir.LIF(tau[:3], tau[:3] / np.float32(1e-4), zero[:3], one[:3], zero[:3]),
        "output": nir.Output(np.array([CLASSES])),
    }
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "out"), ("out", "sum")]
    path = tmp_path / "theirs.nir"
    nir.write(path, nir.NIRGraph(nodes, [*edges, ("sum", "output")]))
    return path


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Event counts over time, as bytes, which are no grey values."""
    rng = np.random.default_rng(1)
    path = tmp_path / "frames.npz"
    x, y = rng.integers(0, 3, (60, STEPS, FEATURES), np.uint8), np.arange(60) % CLASSES
    np.savez(path, x_train=x[:45], y_train=y[:45], x_test=x[45:], y_test=y[45:])
    return path


def refused(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 2, result.stdout
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_a_run_on_frames_is_the_executors(theirs: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "record.h5"
    printed = invoke_json("run", theirs, "--from", "snntorch", "--dataset", frames, "--out", out)
    assert printed["timesteps"] == STEPS
    (note,) = printed["notes"]
    assert "reset_mechanism='subtract'" in note
    assert [p["depth"] for p in printed["populations"]] == [1, 2]
    kept = record.read(out)
    graph = nir_file.read(theirs, Conventions(framework="snntorch"))
    x = torch.from_numpy(np.load(frames)["x_test"].astype(np.float32)).swapaxes(0, 1)
    expected = execute.run(graph, x, STEPS)
    spikes = kept.spikes("lif")
    assert np.array_equal(spikes, expected.spikes["lif"].swapaxes(0, 1))
    assert np.array_equal(kept.predictions, expected.spikes["sum"].sum(0).argmax(1))
    assert 0.05 < spikes.mean() < 0.95


def test_converted_once_no_option_is_needed(theirs: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "ours.nir"
    printed = invoke_json("convert", theirs, "--from", "snntorch", "--out", out)
    assert printed["timesteps"] is None
    assert any("reset_mechanism" in note for note in printed["notes"])
    by_option = invoke_json("run", theirs, "--from", "snntorch", "--dataset", frames)
    assert invoke_json("run", out, "--dataset", frames)["populations"] == by_option["populations"]
    hard = invoke_json("run", theirs, "--from", "snntorch", "--reset", "zero", "--dataset", frames)
    assert hard["populations"] != by_option["populations"]
    assert "contradicts --reset zero" in refused("run", out, "--reset", "zero", "--dataset", frames)
    described = invoke_json("info", out)
    assert (described["dt"], described["integration"], described["framework"]) == (1e-4, "euler", "snntorch")
    assert described["timesteps"] is None
    assert described["recurrent_edges"] == ["rec -> lif"]


def test_without_conventions(theirs: Path, frames: Path) -> None:
    assert "tau is 0.0005, shorter than the step dt = 1" in refused("run", theirs, "--dataset", frames)
    assert "Euler steps of 1" in invoke_json("info", theirs)["assumed"]
    notes = " ".join(invoke_json("convert", theirs)["notes"])
    assert "cannot be run yet" in notes
    assert "Euler steps of 1" in notes
    assert "contradicts --integration" in refused("convert", theirs, "--from", "norse", "--integration", "exponential")
    assert "not a positive number" in invoke("convert", theirs, "--dt", "0").stderr
    plain = invoke_json("run", theirs, "--dt", "1e-4", "--dataset", frames)
    hard = invoke_json("run", theirs, "--dt", "1e-4", "--reset", "zero", "--dataset", frames)
    assert plain["populations"] == hard["populations"]


def test_frames_and_images_are_told_apart(theirs: Path, frames: Path, make_npz, tmp_path: Path) -> None:
    still = make_npz((FEATURES,), CLASSES)
    asked = (
        "does not say for how many timesteps it runs, and neither does data, whose samples are single; give --timesteps"
    )
    assert asked in refused("run", theirs, "--from", "snntorch", "--dataset", still)
    assert asked in refused("quantize", theirs, "--from", "snntorch", "--calibrate", still)
    assert invoke_json("run", theirs, "--from", "snntorch", "--timesteps", "6", "--dataset", still)["timesteps"] == 6

    def said(name: str, **info: object) -> Path:
        graph = nir_file.read(theirs, Conventions(framework="snntorch"))
        nir_file.write(tmp_path / name, graph.nodes, graph.edges, ModelInfo(dt=1e-4, **info))  # type: ignore[arg-type]
        return tmp_path / name

    assert "takes frames over time" in refused("run", said("a.nir", timesteps=7, encoding="frames"), "--dataset", still)
    assert "takes single samples" in refused("run", said("b.nir", timesteps=7), "--dataset", frames)
    wrong = said("c.nir", timesteps=9, encoding="frames")
    assert "runs for 9 timesteps, but frames has 7 frames" in refused("run", wrong, "--dataset", frames)
    right = said("d.nir", timesteps=7, encoding="frames", input_mean=(1.0,), input_std=(2.0,))
    assert invoke_json("run", right, "--dataset", frames)["timesteps"] == 7


def test_a_number_of_steps_is_written_and_can_be_changed(theirs: Path, frames: Path, make_npz, tmp_path: Path) -> None:
    still, said, known = make_npz((FEATURES,), CLASSES), tmp_path / "said.nir", tmp_path / "known.nir"
    assert invoke_json("convert", theirs, "--timesteps", "6", "--out", said)["timesteps"] == 6
    read = nir_file.read(said).info
    assert (read.timesteps, read.says_timesteps, read.known) == (6, True, False)  # the rest is as unknown as before
    assert invoke_json("convert", said, "--from", "snntorch", "--out", known)["timesteps"] == 6
    read = nir_file.read(known).info
    assert (read.timesteps, read.says_timesteps, read.known, read.dt) == (6, True, True, 1e-4)
    assert invoke_json("run", known, "--dataset", still)["timesteps"] == 6
    assert invoke_json("run", known, "--dataset", still, "--timesteps", "8")["timesteps"] == 8
    assert "runs for 6 timesteps, but frames has 7 frames per sample" in refused("run", known, "--dataset", frames)
    assert invoke_json("run", known, "--dataset", frames, "--timesteps", "7")["timesteps"] == 7
    integers = tmp_path / "known.int.nir"
    assert invoke_json("quantize", known, "--timesteps", "5", "--calibrate", still, "--out", integers)["timesteps"] == 5
    assert nir_file.read(integers).info.timesteps == 5
    both = ("check", integers, "--targets", "cpu", "spinnaker", "--dataset", still)
    five, nine = invoke_json(*both), invoke_json(*both, "--timesteps", "9")
    assert five["compared_spikes"] * 9 == nine["compared_spikes"] * 5 > 0
    assert nine["equal"]
    assert "is not a whole number of at least 1" in invoke("run", known, "--dataset", still, "--timesteps", "0").stderr


def test_a_network_in_memory_knows_what_a_step_is(theirs: Path, make_npz) -> None:
    graph, still = nir_file.read(theirs, Conventions(framework="snntorch")), make_npz((FEATURES,), CLASSES)
    assert inflor.run(graph, dataset=still, conventions=Conventions(timesteps=3)).timesteps == 3
    with pytest.raises(InputError, match="this network is in memory"):
        inflor.run(graph, dataset=still, conventions=Conventions(dt=1.0, timesteps=3))
    with pytest.raises(InputError, match=r"timesteps is 2\.5"):
        Conventions(timesteps=2.5)  # type: ignore[arg-type]


def test_every_reader_says_what_was_assumed(theirs: Path, frames: Path, tmp_path: Path) -> None:
    """And not what was given."""
    asked = (theirs, "--from", "snntorch")
    for command in (("run", *asked, "--dataset"), ("quantize", *asked, "--out", tmp_path / "i.nir", "--calibrate")):
        assert any("reset_mechanism='subtract'" in note for note in invoke_json(*command, frames)["notes"])
        assert invoke_json(*command, frames, "--reset", "zero")["notes"] == []
        assert "is assumed" in " ".join(invoke(*command, frames).stdout.split())


def test_a_framework_that_is_not_known(theirs: Path, frames: Path, tmp_path: Path) -> None:
    """Provenance only: what it does is said by the nodes."""
    graph = nir_file.read(theirs, Conventions(framework="snntorch"))
    nir_file.write(tmp_path / "a.nir", graph.nodes, graph.edges, ModelInfo(dt=1e-4, framework="later", encoding=""))
    assert invoke_json("convert", tmp_path / "a.nir")["notes"] == [
        "It has cycles. What these edges bring is of the step before: rec -> lif."
    ]
    assert invoke_json("info", tmp_path / "a.nir")["framework"] == "later"
    assert "runs for 4 timesteps" in refused("run", tmp_path / "a.nir", "--dataset", frames)


def test_a_model_has_conventions_of_its_own(files) -> None:
    out = files.folder / "x.nir"
    assert "says what its step is" in refused("convert", files.model, "--dt", "1", "--out", out)
    assert invoke_json("convert", files.model, "--timesteps", "9", "--out", out)["timesteps"] == 9
    assert nir_file.read(out).info.timesteps == 9


def test_info_shows_what_is_not_understood(theirs: Path) -> None:
    with h5py.File(theirs, "a") as file:
        file["node"].create_group("metadata").create_dataset("color", data="blue")
    described = invoke_json("info", theirs, "--from", "snntorch")
    assert described["other_metadata"] == ["color"]
    row = next(node for node in described["nodes"] if node["name"] == "lif")
    assert row["tau"] == "0.0005"
    assert json.dumps(row)


def test_a_time_constant_that_no_decay_meets_is_told_with_its_mend(theirs: Path, frames: Path, tmp_path: Path) -> None:
    """In steps of 1e-7 a tau of 5e-4 is 5000 steps; a decay of 1/4096 is its nearest in 12 bits."""
    asked = (
        "quantize",
        str(theirs),
        "--calibrate",
        str(frames),
        "--dt",
        "1e-7",
        "--out",
        str(tmp_path / "slow.int.nir"),
    )
    text = invoke(*asked).stdout
    assert "note: lif: rounded decays change its time constants by up to 18.1 %; give more --decay-bits" in text
    assert "more --decay-bits" not in invoke(*asked, "--decay-bits", "20").stdout
