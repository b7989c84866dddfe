"""The cpu target against the brute-force loop and against the float executor on integer-valued weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_networks
import specified
import torch
from chip_networks import networks
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from integer_networks import images, integer_networks
from on_target import placed, recorded, violated

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.simulate import execute
from inflor.quant import file as integer_nir
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.ir.ranges import prove_no_overflow, state_ranges
from inflor.quant.operators import Linear
from inflor.quant.run import kernel as semantics
from inflor.quant.run import synapses
from inflor.targets.cpu.emulator import states
from inflor.targets.record.file import Record

RELAXED = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def emulate(network: IntegerNetwork, x: np.ndarray, **options: object) -> Record:
    plan = placed("cpu", network, **options)
    return recorded("cpu", plan, x)


def assert_equal(network: IntegerNetwork, record: Record, x: np.ndarray) -> None:
    for sample, image in enumerate(x):
        expected = specified.run(network, image)
        for p in record.populations:
            if p.kind == "readout":
                actual = record.outputs[p.name][sample].reshape(-1, *p.shape)
            else:
                actual = record.spikes(p.name)[sample].astype(np.int64)
                assert record.counts[p.name][sample] == expected[p.name].sum()
            np.testing.assert_array_equal(actual, expected[p.name], err_msg=p.name)


@given(integer_networks(delays=True))
@RELAXED
def test_equals_the_specification(network: IntegerNetwork) -> None:
    x = images(network, 2)
    assert_equal(network, emulate(network, x), x)


@given(integer_networks(delays=True, current=True, recurrent=True), st.booleans())
@settings(RELAXED, max_examples=80)
def test_currents_and_cycles_equal_the_specification(network: IntegerNetwork, frames: bool) -> None:
    x = images(network, 2, frames=frames)
    assert_equal(network, emulate(network, x), x)


@given(integer_networks(delays=True, current=True, recurrent=True))
@settings(RELAXED, max_examples=40)
def test_every_state_equals_the_loop_and_stays_in_its_range(network: IntegerNetwork) -> None:
    x = images(network, 2)
    found, ranges = states(placed("cpu", network), x), state_ranges(network)
    for name, one in found.items():
        population, proved = network.by_name[name], ranges[name]
        for sample, image in enumerate(x):
            u, v = specified.states(network, image)[name]
            np.testing.assert_array_equal(one.v[sample], v)
            channels = (population.shape[0], -1)
            for seen, interval in ((v, proved.state), (u, proved.synaptic)):
                if interval is not None:
                    by_channel = np.moveaxis(seen, 1, 0).reshape(channels)
                    assert (by_channel >= interval.low[:, None]).all()
                    assert (by_channel <= interval.high[:, None]).all()
                    assert np.abs(by_channel).max() <= proved.partial
            if one.u is not None:
                np.testing.assert_array_equal(one.u[sample], u)


@given(networks())
@settings(RELAXED, max_examples=40)
def test_equals_the_specification_on_networks_for_chips(drawn: tuple[IntegerNetwork, np.ndarray]) -> None:
    network, x = drawn
    assert_equal(network, emulate(network, x), x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
@given(network=integer_networks())
@settings(RELAXED, max_examples=25)
def test_every_number_format_gives_the_same(
    dtype: torch.dtype, network: IntegerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semantics, "exact_dtype", lambda needed: dtype)
    x = images(network, 1)
    assert_equal(network, emulate(network, x), x)


@given(integer_networks())
@settings(RELAXED, max_examples=25)
def test_windows_and_matrix_products_give_the_same(network: IntegerNetwork) -> None:
    """The path that other devices take, run on this one."""
    x = images(network, 1)
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr("inflor.quant.operators.conv.DIRECT_CONVOLUTION_DEVICES", ())
        context.setattr(synapses, "suits", lambda *_: False)
        assert_equal(network, emulate(network, x), x)


@given(network=integer_networks(leaky=False, asymmetric=False))
@settings(RELAXED, max_examples=40)
def test_the_file_read_as_plain_nir_fires_the_same_spikes(
    network: IntegerNetwork, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The float executor on the integer file: what a NIR reader that knows of soft reset computes."""
    path = tmp_path_factory.mktemp("nir") / "drawn.int.nir"
    integer_nir.write(path, network)
    graph = nir_file.read(path)
    assume(not any("bias" in node.metadata for node in graph.nodes.values()))
    x = images(network, 2)
    result = execute.run(graph, torch.from_numpy(x).double(), network.info.timesteps, dtype=torch.float64)
    record = emulate(integer_nir.read(path), x)
    for p in record.populations:
        if p.kind != "readout":
            np.testing.assert_array_equal(result.spikes[p.name].transpose(0, 1).numpy(), record.spikes(p.name))


@given(integer_networks(current=True, recurrent=True))
@RELAXED
def test_no_width_below_the_widest_state_is_proved(network: IntegerNetwork) -> None:
    bits = max(r.bits for r in state_ranges(network).values())
    assert prove_no_overflow(network, bits) == []
    assert len(prove_no_overflow(network, bits - 1)) > 0


def narrow(threshold: int = 1000) -> IntegerNetwork:
    """One neuron that integrates 100 per step, and cannot fire."""
    value = np.asarray(threshold)
    one = np.ones((1, 1), np.int64)
    return IntegerNetwork(
        (
            small_networks.population("input", (1,), "input"),
            small_networks.population("n", (1,), "spiking", value, "subtract", value),
            small_networks.population("out", (1,), "readout"),
        ),
        (Projection("input", "n", (Linear("w", one * 100),)), Projection("n", "out", (Linear("o", one),))),
        ("out",),
        ModelInfo(timesteps=3, stage="integer"),
        input_bits=8,
        source="narrow",
    )


def test_overflow_is_an_error_by_default() -> None:
    with pytest.raises(InputError, match=r"narrow: population 'n': 1 membrane potentials leave 8 bits at step 1"):
        emulate(narrow(), np.array([[1]], np.int8), state_bits=8)


def test_saturation_clips_and_counts() -> None:
    """100, 200 -> 127, 227 -> 127: never above a threshold of 127."""
    record = emulate(narrow(127), np.array([[1]], np.int8), state_bits=8, overflow="saturate")
    assert record.counts["n"].tolist() == [0]
    assert record.overflows == {"n": 2}


def test_wrapping_keeps_the_low_bits() -> None:
    """100, 200 -> -56, 44; with a threshold of 43 it fires at 100, wraps (100 - 43 + 100 = 157 -> -99), and rests."""
    record = emulate(narrow(43), np.array([[1]], np.int8), state_bits=8, overflow="wrap")
    assert record.spikes("n")[0, :, 0].tolist() == [True, False, False]
    assert record.overflows == {"n": 1}


def test_a_proved_width_is_not_checked() -> None:
    plan = placed("cpu", narrow(), state_bits=24)
    assert not any(kernel.may_overflow for group in plan.groups for kernel in group)
    assert violated("cpu", narrow(), state_bits=24) == []
    assert "n" in str(violated("cpu", narrow(), state_bits=8)[0])


@given(integer_networks())
@settings(RELAXED, max_examples=10)
def test_batches_do_not_matter(network: IntegerNetwork) -> None:
    x = images(network, 5)
    whole = emulate(network, x)
    plan = replace(placed("cpu", network), batch=2)
    parts = recorded("cpu", plan, x)
    for p in whole.populations:
        if p.kind != "readout":
            np.testing.assert_array_equal(whole.spikes(p.name), parts.spikes(p.name))
    np.testing.assert_array_equal(whole.predictions, parts.predictions)


def test_too_little_memory_is_said() -> None:
    with pytest.raises(InputError, match="`memory`"):
        placed("cpu", narrow(), memory=1)


@pytest.mark.parametrize(
    ("option", "value"),
    [("state_bits", 1), ("state_bits", 64), ("overflow", "ignore"), ("threads", 0), ("device", "tpu")],
)
def test_bad_options_are_named(option: str, value: object) -> None:
    with pytest.raises(InputError, match=f"`{option}` {value}: "):
        placed("cpu", narrow(), **{option: value})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@given(integer_networks())
@RELAXED
def test_cuda_equals_cpu(network: IntegerNetwork) -> None:
    x = images(network, 3)
    here, there = emulate(network, x), emulate(network, x, device="cuda")
    for p in here.populations:
        if p.kind != "readout":
            np.testing.assert_array_equal(here.spikes(p.name), there.spikes(p.name))
