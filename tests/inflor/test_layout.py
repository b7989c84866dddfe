"""Data whose last axis looks like channels: fed as the network takes them, turned where that is said, else refused."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest
from command_line import Files, invoke, invoke_json

import inflor
from inflor.converter.datasets.load import load
from inflor.converter.errors import InputError
from inflor.converter.passes.conventions import Conventions

STEPS = 4
CLASSES = 3


def static_network(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[nir.NIRGraph, np.ndarray, np.ndarray]:
    """A pointwise convolution and a classifier of IF neurons, with their weights; hard reset to zero."""
    channels, *rest = shape
    kernel = rng.normal(0, 0.5, (4, channels)).astype("f4")
    weight = rng.normal(0, 0.5, (CLASSES, 4 * int(np.prod(rest)))).astype("f4")

    def neurons(*size: int) -> nir.IF:
        return nir.IF(r=np.ones(size), v_threshold=np.ones(size), v_reset=np.zeros(size))

    bias = np.zeros(4, "f4")
    conv: nir.NIRNode
    if len(rest) == 1:
        conv = nir.Conv1d(rest[0], kernel[..., None], 1, 0, 1, 1, bias)
    else:
        conv = nir.Conv2d(tuple(rest), kernel[..., None, None], 1, 0, 1, 1, bias)
    nodes = {
        "input": nir.Input({"input": np.array(shape)}),
        "conv": conv,
        "n1": neurons(4, *rest),
        "flat": nir.Flatten({"input": np.array([4, *rest])}, 0, -1),
        "fc": nir.Linear(weight),
        "n2": neurons(CLASSES),
        "output": nir.Output({"output": np.array([CLASSES])}),
    }
    edges = list(zip(list(nodes), list(nodes)[1:], strict=False))
    return nir.NIRGraph(nodes=nodes, edges=edges, type_check=False), kernel, weight


def spikes_of(x: np.ndarray, kernel: np.ndarray, weight: np.ndarray) -> list[int]:
    """Spikes of both populations in float64, the same input at each step."""
    flat = x.reshape(len(x), x.shape[1], -1)
    v1, v2, counts = np.zeros((len(x), 4, flat.shape[2])), np.zeros((len(x), CLASSES)), [0, 0]
    for _ in range(STEPS):
        v1 += np.einsum("bcl,kc->bkl", flat, kernel.astype(float))
        s1 = v1 > 1
        v1[s1] = 0
        v2 += s1.reshape(len(x), -1) @ weight.T.astype(float)
        s2 = v2 > 1
        v2[s2] = 0
        counts = [counts[0] + int(s1.sum()), counts[1] + int(s2.sum())]
    return counts


def write(folder: Path, shape: tuple[int, ...]) -> tuple[Path, Path, np.ndarray, list[int]]:
    rng = np.random.default_rng(0)
    graph, kernel, weight = static_network(shape, rng)
    nir.write(folder / "static.nir", graph)
    x = rng.random((6, *shape)).astype("f4")
    return folder / "static.nir", save(folder / "data.npz", x), x, spikes_of(x, kernel, weight)


def save(path: Path, x: np.ndarray) -> Path:
    y = np.arange(len(x)) % CLASSES
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    return path


def counted(network: Path, data: Path, *more: object) -> list[int]:
    found = invoke_json("run", network, "--timesteps", STEPS, "--dataset", data, *more)["populations"]
    return [p["spikes"] for p in found if p["kind"] not in ("input", "readout")]


@pytest.mark.parametrize("shape", [(1, 20), (3, 20), (20, 3), (2, 7, 3), (5, 7, 1), (3, 3, 3)])
def test_static_data_of_any_shape_are_run(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Conv1d data were given an axis and images of width 1 or 3 were turned, and then they did not fit."""
    network, data, _, expected = write(tmp_path, shape)
    said = ["--layout", "chw"] if shape == (3, 3, 3) else []
    assert counted(network, data, *said) == expected
    assert min(expected) > 0
    quantized = inflor.quantize(
        network, calibrate=data, out=tmp_path / "n.int.nir", layout="chw", conventions=Conventions(timesteps=STEPS)
    )
    assert quantized.network.inputs[0].shape == shape
    result = invoke("check", tmp_path / "n.int.nir", "--targets", "cpu", "spinnaker", "--dataset", data, *said)
    assert result.exit_code == 0, result.stderr


def test_channels_last_are_turned_for_the_network(tmp_path: Path) -> None:
    network, _, x, expected = write(tmp_path, (2, 7, 3))
    last = save(tmp_path / "last.npz", np.moveaxis(x, 1, 3))
    assert counted(network, last) == expected
    assert counted(network, last, "--layout", "hwc") == expected
    result = invoke("run", network, "--dataset", last, "--layout", "chw")
    assert result.exit_code == 2
    assert "takes samples of 2x7x3, but those of last are 7x3x2" in result.stderr


def test_cubes_are_not_guessed(tmp_path: Path) -> None:
    network, data, x, expected = write(tmp_path, (3, 3, 3))
    with pytest.raises(InputError, match=r"`layout='chw'`\) or .*`layout='hwc'`\); say which with `layout`"):
        inflor.run(network, dataset=data)
    last = save(tmp_path / "last.npz", np.moveaxis(x, 1, 3))
    assert counted(network, last, "--layout", "hwc") == expected


def test_training_asks_for_the_layout(tmp_path: Path) -> None:
    """16 channels of 8x3 were trained as 3 channels of 16x8, silently."""
    rng = np.random.default_rng(0)
    data = save(tmp_path / "data.npz", rng.random((30, 16, 8, 3)).astype("f4"))
    settings = {"epochs": 1, "timesteps": 2, "channels": 2}
    with pytest.raises(InputError, match=r"16 channels of 8x3 .*chw.* or 3 channels of 16x8 .*hwc"):
        inflor.train(data, "mlp", out=tmp_path / "out", **settings)
    for layout, shape in (("chw", [16, 8, 3]), ("hwc", [3, 16, 8])):
        trained = ["train", "--dataset", data, "--model", "mlp", "--epochs", 1, "--channels", 2, "--layout", layout]
        model = invoke_json(*trained, "--out", tmp_path / layout)["model"]
        assert invoke_json("info", model)["input_shape"] == shape


def test_every_command_with_data_takes_a_layout(files: Files, tmp_path: Path) -> None:
    for name in ("train", "quantize", "run", "check", "estimate", "report", "compare"):
        assert "--layout" in invoke(name, "--help").stdout
    digits = load("digits")
    with pytest.raises(InputError, match="digits is in memory"):
        inflor.run(files.graph, dataset=digits, layout="hwc")
    with pytest.raises(InputError, match="digits has the layout chw, not hwc"):
        inflor.run(files.graph, dataset="digits", layout="hwc")
    x, y = (np.moveaxis(digits.x_test[:20], 1, 3), digits.y_test[:20])
    names = np.array(digits.class_names)
    np.savez(tmp_path / "last.npz", x_train=x, y_train=y, x_test=x, y_test=y, class_names=names)
    same = {"split": "test", "samples": 20, "spikes": True}
    record = inflor.run(files.integers, dataset=tmp_path / "last.npz", layout="hwc", **same)
    told = inflor.run(files.integers, dataset=digits, **same)
    for population in told.populations:
        if population.name in told.counts:
            assert np.array_equal(record.counts[population.name], told.counts[population.name])
    inflor.estimate(files.integers, record, "cmos45", dataset=tmp_path / "last.npz", layout="hwc")
    inflor.compare(
        [files.integers, files.integers], dataset=tmp_path / "last.npz", samples=5, hardware="cmos45", layout="hwc"
    )
