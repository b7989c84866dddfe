"""The netx file, read and run by lava-dl's own reader, fires the same spikes; what netx cannot express is refused."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_networks
import specified

from inflor.converter.errors import InputError
from inflor.quant.ir.network import Projection
from inflor.quant.ir.neuron import SetTo, Subtract
from inflor.quant.operators import Flatten, Linear, SumPool
from inflor.targets.loihi import export_netx as netx
from inflor.targets.loihi.plan import chip_order
from inflor.targets.loihi.simulate import job as jobs
from inflor.targets.loihi.simulate import session
from inflor.targets.loihi.simulate.job import Connection, Job, ProcessSpec

HERE = Path(__file__).parent
OWN = "inflor.targets.loihi.simulate.processes."


def chain(rng, timesteps=4):
    made = [
        small_networks.population("input", (2, 8, 7), "input"),
        small_networks.population(
            "n1", (4, 8, 7), "spiking", rng.integers(500, 900, (4, 1, 1)), "zero", bias=rng.integers(-90, 90, (4, 1, 1))
        ),
        small_networks.population("n2", (6, 4, 4), "spiking", 120, "zero", bias=rng.integers(-20, 20, (6, 1, 1))),
        small_networks.population(
            "n3", (9,), "spiking", rng.integers(50, 90, 9), "zero", bias=rng.integers(-20, 20, 9)
        ),
        small_networks.population("out", (5,), "readout", bias=rng.integers(-50, 50, 5)),
    ]
    projections = [
        Projection("input", "n1", (small_networks.conv(rng, 4, 2, low=-15, high=16),)),
        Projection("n1", "n2", (small_networks.conv(rng, 6, 4, stride=2, groups=2),), exponent=1),
        Projection(
            "n2",
            "n3",
            (SumPool("p", (2, 2), (2, 2), (0, 0)), Flatten("f", 0, 2), Linear("l", rng.integers(-60, 61, (9, 24)))),
        ),
        Projection("n3", "out", (Linear("r", rng.integers(-127, 128, (5, 9))),)),
    ]
    return small_networks.network(made, projections, timesteps), rng.integers(-128, 128, (3, 2, 8, 7)).astype(np.int8)


def with_currents(rng):
    """The chain with leaks and synaptic currents in 1/64 of a unit, per channel and of all kinds."""
    net, inputs = chain(rng)
    memory = {
        "n1": {"decay": rng.integers(1, 900, (4, 1, 1)), "current_decay": np.array(4096)},
        "n2": {"decay": np.array(300), "current_decay": rng.integers(1000, 3000, (6, 1, 1)), "bias": np.array(0)},
        "n3": {"decay": np.array(0), "current_decay": np.array(2500), "bias": np.array(0), "drift": np.array(-7 << 6)},
        "out": {"decay": np.array(120), "current_decay": None},
    }
    made = tuple(p.with_rule(fraction_bits=6, **memory[p.name]) if p.name in memory else p for p in net.populations)
    return replace(net, populations=made), inputs


def recurrent(rng):
    """One sample, since the reader has no guard steps."""
    net, inputs = with_currents(rng)
    net = replace(net, info=replace(net.info, timesteps=9))
    back = Projection("n3", "n3", (Linear("v", rng.integers(-127, 128, (9, 9))),), delay=1)
    return replace(net, projections=(*net.projections, back)), inputs[:1]


@pytest.mark.parametrize("make", [chain, with_currents, recurrent])
def test_the_reader_fires_the_same_spikes(make, lava, tmp_path):
    if importlib.util.find_spec("lava.lib") is None or importlib.util.find_spec("h5py") is None:
        pytest.skip("lava-dl is not installed (pip install --no-deps lava-dl==0.6.0)")
    network, inputs = make(np.random.default_rng(2))
    timesteps, samples = network.info.timesteps, len(inputs)
    path = tmp_path / "model.net"
    netx.write(network, path)
    expected = specified.run_all(network, inputs)
    depth = 3
    steps = samples * timesteps + depth + 1
    with session.job_folder() as folder:
        order = chip_order((2, 8, 7))
        np.save(folder / "frames.npy", inputs.reshape(samples, 1, -1)[:, :, order])
        rows = jobs.output(folder, "rows", (steps, 9), np.int32)
        source = {"size": 112, "frames": str(folder / "frames.npy"), "period": timesteps, "active": timesteps}
        reader = {
            "net_config": str(path),
            "input_message_bits": 8,
            "input_shape": jobs.pair((7, 8, 2)),
            "reset_interval": timesteps,
            "reset_offset": 1,
            "num_layers": 5,
        }
        processes = (
            ProcessSpec("source", OWN + "streams:FrameSource", source),
            ProcessSpec("net", "netx_reader:Network", reader),
            ProcessSpec("sink", OWN + "streams:Sink", {"size": 9, "rows": rows, "packed": False}),
        )
        connections = (
            Connection("source.s_out", "net.inp", (7, 8, 2)),
            Connection("net.out", "sink.a_in"),
        )
        session.run(folder, Job(steps, processes, connections, paths=(str(HERE),)), timeout=60)
        fired = np.load(rows)
    at = np.arange(samples)[:, None] * timesteps + np.arange(timesteps) + depth
    assert expected["n3"].sum() > 5
    forward = replace(network, projections=tuple(q for q in network.projections if q.source != q.target))
    alike = np.array_equal(specified.run_all(forward, inputs)["n3"], expected["n3"])
    assert alike == (make is not recurrent)
    np.testing.assert_array_equal(fired[at], expected["n3"])


def changed(network, number, **changes):
    made = list(network.populations)
    made[number] = made[number].with_rule(**changes)
    return replace(network, populations=tuple(made))


def test_what_netx_cannot_express_is_refused(tmp_path):
    network, _ = chain(np.random.default_rng(2))
    path = tmp_path / "model.net"
    soft = changed(network, 2, reset=Subtract(np.array(242)))
    with pytest.raises(InputError, match=r"'n2' has a soft reset.*`target='loihi'`"):
        netx.write(soft, path)
    with pytest.raises(InputError, match="'n1' resets to another potential"):
        netx.write(changed(network, 1, reset=SetTo(np.array(3))), path)
    with pytest.raises(InputError, match="'n3' has threshold 131072, allowed is 0 to 131071"):
        netx.write(changed(network, 3, threshold=np.array(1 << 17)), path)
    with pytest.raises(InputError, match="'n2' has a branch or a shortcut"):
        netx.write(_branched(network), path)
    with pytest.raises(InputError, match="'n3' has a bias of its current"):
        netx.write(changed(network, 3, current_decay=np.array(9), fraction_bits=6), path)
    with pytest.raises(InputError, match="'n2' has leak 9/4096"):
        netx.write(changed(network, 2, decay=np.array(9)), path)
    back = (SumPool("p", (1, 1), (1, 1), (0, 0)),)
    again = Projection("n2", "n2", back, delay=1)
    with pytest.raises(InputError, match="'n2' is a recurrent map"):
        netx.write(replace(network, projections=(*network.projections, again)), path)
    inhibitory = (Linear("r", np.full((5, 9), -64)),)
    clipped = (*network.projections[:3], Projection("n3", "out", inhibitory))
    with pytest.raises(InputError, match="'out' has inhibitory weights only, down to -64"):
        netx.write(replace(network, projections=clipped), path)
    zero = replace(
        network,
        projections=(*network.projections[:3], Projection("n3", "out", (Linear("r", np.zeros((5, 9), np.int64)),))),
    )
    with pytest.raises(InputError, match="'out' has no weight but 0"):
        netx.write(zero, path)
    assert not path.exists()


def _branched(network):
    extra = Projection("n1", "n2", network.projections[1].operators)
    return replace(network, projections=(*network.projections, extra))
