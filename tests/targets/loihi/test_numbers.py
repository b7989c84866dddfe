"""The cpu target under the profile loihi against Lava's own LIF, in u, v and s at every step, over random registers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_networks
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from on_target import placed, recorded, violated

from inflor.quant.ir.network import Projection
from inflor.quant.ir.neuron import SetTo, Subtract
from inflor.quant.operators import Linear
from inflor.targets.cpu.emulator import states
from inflor.targets.loihi.numbers import RANGES, bias_registers, misfits

HERE = Path(__file__).parent
LARGEST_INPUT = 1 << 18
"""Lava's wrap is a single turn of 24 bits: what a current plus this, shifted by 6, cannot leave."""


def drawn_case(rng):
    """Registers and input of a few neurons; every range's ends come up often."""
    size, steps = rng.integers(1, 5), rng.integers(1, 13)

    def values(low, high, *ends, shape=size):
        chosen = rng.choice([low, high, *ends], shape)
        return np.where(rng.random(shape) < 0.3, chosen, rng.integers(low, high + 1, shape))

    magnitude = int(rng.choice((30, 3_000, 1 << 17, LARGEST_INPUT)))
    per = rng.choice([0, size])  # one decay, or one per neuron
    return {
        "du": values(*RANGES["du"], 0, shape=per or ()),
        "dv": values(*RANGES["dv"], 4095, shape=per or ()),
        "vth": values(*RANGES["vth"], 5, 100),
        "bias_mant": values(*RANGES["bias_mant"], 0),
        "bias_exp": values(*RANGES["bias_exp"]),
        "a": values(-magnitude, magnitude, 0, shape=(steps, size)),
    }


def stock_population(case):
    """The population that a stock neuron with these registers is."""
    neurons = small_networks.population("n", case["vth"].shape, "spiking", case["vth"], "zero", 0, decay=case["dv"])
    drift = case["bias_mant"] << case["bias_exp"]
    return neurons.with_rule(current_decay=np.asarray(case["du"] + 1), drift=drift, fraction_bits=6)


def on_cpu(case):
    """States of the population when a arrives: as three signed digits of 8 bits per neuron."""
    a = case["a"]
    digits, rest = [], a
    for _ in range(3):
        digits.append(((rest + 128) & 255) - 128)
        rest = (rest - digits[-1]) >> 8
    assert not rest.any()
    weight = np.concatenate([np.eye(a.shape[1], dtype=np.int64) << shift for shift in (0, 8, 16)], axis=1)
    source = small_networks.population("input", (3 * a.shape[1],), "input")
    projection = Projection("input", "n", (Linear("w", weight),))
    network = small_networks.network([source, stock_population(case)], [projection], len(a))
    frames = np.concatenate(digits, axis=1)[None].astype(np.int8)
    return network, states(placed("cpu", network, profile="loihi"), frames)["n"]


@pytest.mark.usefixtures("lava")
@settings(max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_equal_to_lava(tmp_path_factory, seed):
    """Many cases at a time: Lava has an interpreter of its own, because it changes how processes are started."""
    rng = np.random.default_rng(seed)
    drawn = [drawn_case(rng) for _ in range(250)]
    folder = tmp_path_factory.mktemp("lif")
    arrays = {f"{name}{i}": value for i, case in enumerate(drawn) for name, value in case.items()}
    np.savez(folder / "in.npz", count=len(drawn), **arrays)
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[2])}
    subprocess.run(
        [sys.executable, str(HERE / "lif_peer.py"), str(folder / "in.npz"), str(folder / "out.npz")],
        check=True,
        env=environment,
        timeout=120,
    )
    peer = np.load(folder / "out.npz")
    for i, case in enumerate(drawn):
        network, held = on_cpu(case)
        assert not list(misfits(network.by_name["n"]))
        np.testing.assert_array_equal(held.u[0], peer[f"u{i}"], err_msg=f"u of {case}")
        np.testing.assert_array_equal(held.spikes[0], peer[f"s{i}"], err_msg=f"s of {case}")
        np.testing.assert_array_equal(np.where(held.spikes[0], 0, held.v[0]), peer[f"v{i}"], err_msg=f"v of {case}")


def test_overflow_by_hand():
    """u = 2^17 << 6 = 2^23 stays, twice that wraps to 2^24 - 2^24 = 0; v saturates below 2^23."""
    zero, top = np.zeros(1, np.int64), np.array([RANGES["vth"][1]])
    case = {"du": np.array(-1), "dv": np.array(0), "vth": top, "bias_mant": zero, "bias_exp": zero}
    _, held = on_cpu({**case, "a": np.array([[1 << 17], [1 << 17]])})
    assert held.u[0, :, 0].tolist() == [1 << 23, 0]
    assert held.v[0, :, 0].tolist() == [(1 << 23) - 1, 0]


def drawn_program(rng, name):
    """A population that only a neuron program is, with parameters that let its states leave 24 bits."""
    size = 4
    reset = ("subtract", "zero", "none")[rng.integers(3)]
    kind = "readout" if reset == "none" else ("cuba_lif", "lif", "if")[rng.integers(3)]
    made = small_networks.population(
        name,
        (size,),
        "readout" if kind == "readout" else "spiking",
        threshold=rng.choice([100, 1 << 16, (1 << 23) - 1], size),
        reset=reset,
        reset_value=rng.choice([-(1 << 22), 50, 1 << 22], size) if reset == "subtract" else 0,
        v_reset=rng.choice([-(1 << 16), 0, 300], size) if reset == "zero" else 0,
        bias=rng.integers(-(1 << 20), 1 << 20, size),
        decay=0 if kind == "if" else rng.choice([0, 3, 400, 4096], size),
    )
    current = kind != "if" and rng.random() < 0.6
    return made.with_rule(
        fraction_bits=int(rng.choice([0, 6])),
        refractory=reset == "zero" or (reset == "subtract" and rng.random() < 0.3),
        current_decay=rng.choice([0, 3, 400, 4096], size) if current else None,
        drift=rng.integers(-300, 300, size),
    )


@pytest.mark.usefixtures("lava")
@settings(max_examples=3, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_neuron_programs_beyond_24_bits(seed):
    """Spikes, potentials and the count of overflows of many programs at once are those of the cpu's profile."""
    rng = np.random.default_rng(seed)
    populations = [drawn_program(rng, f"n{i}") for i in range(12)]
    source = small_networks.population("input", (3,), "input")
    projections = [
        Projection("input", p.name, (Linear("w", rng.integers(-128, 128, (4, 3))),), exponent=int(rng.integers(3, 7)))
        for p in populations
    ]
    outputs = [p.name for p in populations if p.role == "readout"] or [populations[0].name]
    network = small_networks.network([source, *populations], projections, 12, outputs)
    images = rng.choice([-128, 127, 3], (2, 12, 3)).astype(np.int8)
    images[0] = np.sort(images[0], axis=0)  # from one end to the other
    records = {}
    for target, options in (("cpu", {"profile": "loihi"}), ("loihi", {"first_layer": "chip", "timeout": 120})):
        plan = placed(target, network, **options)
        records[target] = recorded(target, plan, images)
    assert {g.role for g in plan.layout.groups} == {"input", "program"}
    due, got = records["cpu"], records["loihi"]
    for p in populations:
        if p.role == "readout":
            np.testing.assert_array_equal(due.outputs[p.name], got.outputs[p.name], err_msg=str(p))
        else:
            np.testing.assert_array_equal(due.spikes(p.name), got.spikes(p.name), err_msg=str(p))
    potentials = np.concatenate([got.outputs[name].ravel() for name in network.outputs])
    assert (potentials.min(), potentials.max()) == (1 - (1 << 23), (1 << 23) - 1)
    assert due.overflows == got.overflows
    assert len(due.overflows) > 6


@given(st.lists(st.integers(-(1 << 19), 1 << 19), min_size=1, max_size=4))
def test_bias_registers_hold_what_they_say_or_are_refused(values):
    value = np.array(values)
    found = bias_registers(value)
    possible = all(any(v % (1 << e) == 0 and -4096 <= v >> e <= 4095 for e in range(8)) for v in values)
    assert (found is not None) == possible
    if found is not None:
        np.testing.assert_array_equal(found[0] << found[1], value)
        assert found[0].min() >= -4096
        assert found[0].max() <= 4095


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"threshold": np.array(1 << 17)}, "threshold 131072, allowed is 0 to 131071; quantize with fewer bits"),
        ({"threshold": np.array(-1)}, "threshold -1"),
        ({"drift": np.array(4097)}, "drift 4097"),
        ({"decay": np.array(4097)}, "decay 4097, allowed is 0 to 4096"),
        ({"current_decay": np.array(-1)}, "decay -1"),
        ({"decay_bits": 15, "decay": np.array(9)}, "bits of its decays 15, allowed is 12"),
        ({"refractory": True}, "refractory steps 1"),
        ({"reset": Subtract(np.array(0))}, "soft reset with a leak"),
        ({"reset": SetTo(np.array(-5))}, "reset of a leaky neuron to 5"),
        ({"fraction_bits": 0}, "leak 500/4096, allowed is none on stock neurons"),
    ],
)
def test_what_no_register_holds_is_refused(changes, limit):
    made = [
        small_networks.population("input", (2,), "input"),
        small_networks.population("n", (2,), "spiking", 40, "zero", 0, decay=300).with_rule(
            **{"current_decay": np.array(500), "fraction_bits": 6, **changes}
        ),
    ]
    network = small_networks.network(made, [Projection("input", "n", (Linear("w", np.eye(2, dtype=np.int64)),))], 3)
    (violation,) = violated("loihi", network, soft_reset="stock", first_layer="chip")
    assert f"population 'n': {limit}" in str(violation)
    needs_stock = violation.mend.endswith("`soft_reset='microcode'`")
    assert bool(violated("loihi", network, soft_reset="microcode", first_layer="chip")) != needs_stock
