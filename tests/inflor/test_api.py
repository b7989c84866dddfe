"""The verbs as functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Files, invoke_json

import inflor
from inflor.converter.datasets.load import load
from inflor.converter.train.loop import TrainResult
from inflor.converter.train.neurons import NeuronConfig
from inflor.quant.ir.network import IntegerNetwork


def test_every_name_is_there_and_no_other() -> None:
    for name in inflor.__all__:
        assert getattr(inflor, name).__name__ == name
    assert set(inflor.__all__) <= set(dir(inflor))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = inflor.trian  # type: ignore[attr-defined]


def test_the_whole_path_in_memory(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    trained = inflor.train(
        "digits",
        "mlp",
        out=tmp_path,
        channels=16,
        epochs=3,
        timesteps=3,
        neuron=NeuronConfig.preset("if", threshold=1.0),
        progress=lambda *now: seen.append(now),
    )
    assert isinstance(trained, TrainResult)
    assert seen[-1][0] == seen[-1][1]
    assert [now[0] for now in seen] == list(range(1, len(seen) + 1))
    converted = inflor.convert(trained.model_path)
    assert converted.path is None
    data = load("digits")
    quantized = inflor.quantize(converted.graph, bits=6, calibrate=data, samples=32)
    assert isinstance(quantized.network, IntegerNetwork)
    assert quantized.report.bits == 6
    record = inflor.run(quantized.network, dataset=data, samples=40, spikes=True)
    assert record.samples == 40
    assert record.spikes("neuron1").shape == (40, 3, 16)
    assert record.path is None
    assert np.array_equal(record.spikes("neuron1").sum((1, 2)), record.counts["neuron1"])


def test_functions_and_commands_give_the_same(files: Files) -> None:
    record = inflor.run(files.integers, dataset="digits", samples=25)
    printed = invoke_json("run", files.integers, "--dataset", "digits", "--samples", 25)
    assert printed["accuracy"] == record.accuracy
    assert [p["spikes"] for p in printed["populations"][:2]] == [int(c.sum()) for c in record.counts.values()]
    assert inflor.info(files.integers).kind == invoke_json("info", files.integers)["kind"]
    assert [t.name for t in inflor.list_targets()] == [t["name"] for t in invoke_json("targets")["targets"]]


def test_errors_are_of_one_family(files: Files, tmp_path: Path) -> None:
    with pytest.raises(inflor.InputError, match="choose a number in that range"):
        inflor.quantize(files.graph, bits=9, calibrate="digits")
    with pytest.raises(inflor.InputError, match="at least 1"):
        inflor.run(files.graph, dataset="digits", samples=0)
    with pytest.raises(inflor.InflorError):
        inflor.train("digits", "mlp", out=tmp_path, timesteps=0)
    assert issubclass(inflor.MissingPartError, inflor.InflorError)
