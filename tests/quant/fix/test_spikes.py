"""An input of spikes alone: its range is known, in the file, and what is proved rests on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from float_graphs import graph_of, sink, source
from on_target import violated
from signing import sign_again

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.quant import file as integer_nir
from inflor.quant.fix.options import Options
from inflor.quant.fix.pipeline import quantize
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.ranges import state_range
from inflor.targets.running import run

FEATURES, STEPS = 2000, 6


def graph() -> Graph:
    """Many small positive weights into neurons that leak: as -128..127 the input would leave the chips' registers."""
    weight = np.random.default_rng(0).uniform(0.5, 1, (3, FEATURES)).astype(np.float32) / 100
    lif = nir.LIF(np.full(3, 50.0), np.full(3, 50.0), np.zeros(3), np.full(3, 40.0), np.zeros(3))
    made = graph_of({"input": source((FEATURES,)), "w": nir.Linear(weight), "n": lif, "output": sink((3,))})
    return replace(made, info=replace(made.info, timesteps=STEPS, encoding="frames"))


def events(samples: int = 5, share: float = 0.3) -> np.ndarray:
    return (np.random.default_rng(1).random((samples, STEPS, FEATURES)) < share).astype(np.float32)


def quantized(x: np.ndarray) -> IntegerNetwork:
    return quantize(graph(), x, options=Options(samples=3))[0]


@pytest.mark.parametrize("unit", [1.0, 0.25])
def test_spikes_are_known_by_all_of_the_data(unit: float) -> None:
    x = events() * np.float32(unit)
    assert quantized(x).input_range == (0, 1)
    drawn = quantize(graph(), x, options=Options(samples=1))[0]
    assert drawn.input_range == (0, 1)
    for sample in range(5):  # most of these are not drawn
        other = x.copy()
        other[sample, 0, 0] = 2 * unit
        assert quantize(graph(), other, options=Options(samples=1))[0].input_range is None
    assert quantized(-events()).input_range is None


def test_what_is_proved_holds_for_the_largest_input() -> None:
    spikes, graded = quantized(events()), replace(quantized(events()), input_range=None)
    (population,) = (p for p in spikes.populations if p.role == "spiking")
    weight = spikes.projections[0].operators[-1].weight << spikes.projections[0].exponent
    proved = state_range(spikes, population)
    assert proved.current.high.tolist() == (weight.clip(0).sum(1) + population.rule.bias).tolist()
    assert proved.current.low.tolist() == (weight.clip(max=0).sum(1) + population.rule.bias).tolist()
    assert state_range(graded, population).state_bits >= proved.state_bits + 6
    for target in ("loihi", "spinnaker"):
        assert not violated(target, spikes)


def test_the_range_is_in_the_file(tmp_path: Path) -> None:
    made, path = quantized(events()), tmp_path / "n.int.nir"
    integer_nir.write(path, made)
    assert integer_nir.read(path).input_range == (0, 1)
    for wrong, message in (([1, 0], "above the largest"), ([0, 1, 2], "the least and the largest"), ([0, 200], "200")):
        with h5py.File(path, "r+") as file:
            about = file["node/metadata/inflor_integer"]
            del about["input_range"]
            about["input_range"] = wrong
        sign_again(path)
        with pytest.raises(InputError, match=message):
            integer_nir.read(path)


def test_other_values_are_clipped_and_counted() -> None:
    made, x = quantized(events()), events(2)
    x[0, 0, :100], x[1, 0, :20] = 3, -1
    assert made.quantize_input(x).min() == 0
    assert made.quantize_input(x).max() == 1
    record = run(made, "cpu", x)
    assert "0.5 % of the inputs lie outside the range calibrated, 0 to 1 units, and are clipped" in record.run["notes"]
    assert record.predictions.tolist() == run(made, "cpu", x.clip(0, 1)).predictions.tolist()
    with pytest.raises(InputError, match="leave the range 0 to 1"):
        made.frames(np.full((1, STEPS, FEATURES), 2))
