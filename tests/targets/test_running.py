"""Choosing and running a target: the right kind of network, options that exist, inputs that fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from integer_networks import integer_networks

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.record.remarks import CAUSES
from inflor.targets.running import run

NETWORKS = integer_networks(leaky=False)
ONCE = settings(max_examples=1, suppress_health_check=list(HealthCheck))


@given(network=NETWORKS)
@ONCE
def test_the_float_target_refuses_an_integer_network(network: IntegerNetwork) -> None:
    with pytest.raises(InputError, match="runs a float network"):
        run(network, "float", np.zeros((1, *network.inputs[0].shape), np.float32))


@given(network=NETWORKS)
@ONCE
def test_an_option_of_another_target_is_refused(network: IntegerNetwork) -> None:
    with pytest.raises(InputError, match=r"'cpu' has no option `board`; it has `memory`"):
        run(network, "cpu", np.zeros((1, *network.inputs[0].shape), np.float32), options={"board": 5})


@given(network=NETWORKS)
@ONCE
def test_images_of_another_shape_are_refused(network: IntegerNetwork) -> None:
    with pytest.raises(InputError, match="takes samples of"):
        run(network, "cpu", np.zeros((1, 9, 9, 9, 9), np.float32))


@given(network=NETWORKS)
@ONCE
def test_the_host_rounds_half_to_even_and_clips(network: IntegerNetwork) -> None:
    unit = 0.25  # so that the halves are exact
    source, *rest = network.populations
    network = replace(network, populations=(replace(source, scale=np.asarray(unit)), *rest))
    values = np.array([0.5, 1.5, -0.5, -2.5, 126.7, 200, -128.4, -300]) * unit
    assert network.quantize_input(values.astype(np.float32)).tolist() == [0, 2, 0, -2, 127, 127, -128, -128]


@given(network=NETWORKS)
@ONCE
def test_the_run_says_what_produced_it(network: IntegerNetwork) -> None:
    x = np.zeros((3, *network.inputs[0].shape), np.float32)
    record = run(network, "cpu", x, np.zeros(3, np.int64), provenance={"dataset": "zeros"})
    assert record.run["target"] == "cpu"
    assert record.run["dataset"] == "zeros"
    assert record.run["samples_per_second"] == pytest.approx(3 / record.run["seconds"])
    assert record.run["plan"]["overflow"] == "error"


@given(network=NETWORKS)
@ONCE
def test_inputs_that_are_clipped_are_noted(network: IntegerNetwork) -> None:
    x = np.full((2, *network.inputs[0].shape), 1000 * float(network.inputs[0].scale), np.float32)
    assert any("100.0 % of the inputs" in note for note in run(network, "cpu", x).run["notes"])
    for more in ([], ["read so"]):
        notes = run(network, "cpu", x / 1000, notes=more).run["notes"]
        assert [note for note in notes if CAUSES not in note] == more
