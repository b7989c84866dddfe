"""Our LIF against Lava's own, in u, v and s at every step, over random registers and inputs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converter.errors import InputError
from targets.loihi.arithmetic import LifParameters, lif

HERE = Path(__file__).parent


def drawn_case(rng):
    """Registers and input of a few neurons; every range's ends come up often."""
    size, steps = rng.integers(1, 5), rng.integers(1, 13)

    def values(low, high, *ends, shape=size):
        chosen = rng.choice([low, high, *ends], shape)
        return np.where(rng.random(shape) < 0.3, chosen, rng.integers(low, high + 1, shape))

    magnitude = int(rng.choice((30, 3_000, 1 << 17, 1 << 20)))
    return {
        "du": int(values(-1, 4095, 0, shape=())),
        "dv": int(values(0, 4096, 4095, shape=())),
        "vth": values(0, (1 << 17) - 1, 5, 100),
        "bias_mant": values(-4096, 4095, 0),
        "bias_exp": values(0, 7),
        "a": values(-magnitude, magnitude, 0, shape=(steps, size)),
    }


@pytest.mark.usefixtures("lava")
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_equal_to_lava(tmp_path_factory, seed):
    """Many cases at a time: Lava has an interpreter of its own, because it changes how processes are started."""
    rng = np.random.default_rng(seed)
    drawn = [drawn_case(rng) for _ in range(500)]
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
        trace = lif(LifParameters(**{k: v for k, v in case.items() if k != "a"}), case["a"])
        for name in ("u", "v", "s"):
            np.testing.assert_array_equal(getattr(trace, name), peer[f"{name}{i}"], err_msg=f"{name} of {case}")


def test_overflow_by_hand():
    """u = 2^17 << 6 = 2^23 stays, twice that wraps to 2^24 - 2^24 = 0; v saturates below 2^23."""
    trace = lif(LifParameters(du=-1, dv=0, vth=(1 << 17) - 1), np.array([[1 << 17], [1 << 17]]))
    assert trace.u[:, 0].tolist() == [1 << 23, 0]
    assert (trace.wrapped, trace.saturated) == (1, 1)
    assert trace.s[:, 0].tolist() == [True, False]


def test_reset_interval_clears_both_states():
    parameters = LifParameters(du=-1, dv=0, vth=1000, reset_interval=2)
    trace = lif(parameters, np.full((4, 1), 3))
    assert (trace.v[:, 0] >> 6).tolist() == [3, 9, 3, 9]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vth", 1 << 17),
        ("vth", -1),
        ("bias_mant", 4096),
        ("bias_mant", -4097),
        ("bias_exp", 8),
        ("du", 4096),
        ("dv", -1),
        ("vth", 0.5),
    ],
)
def test_registers_that_lava_does_not_check(name, value):
    with pytest.raises(InputError, match=name):
        LifParameters(**{"du": 0, "dv": 0, "vth": 1, name: value})


def test_inputs_beyond_24_bits():
    with pytest.raises(InputError, match="24 bits"):
        lif(LifParameters(du=0, dv=0, vth=1), np.array([[1 << 24]]))
