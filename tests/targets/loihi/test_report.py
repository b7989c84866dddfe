"""The costs of both soft resets: what they count, by hand, and where a user sees them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import small_networks
from command_line import invoke
from on_target import placed

from inflor.quant import file as integer_nir
from inflor.quant.ir.network import Projection
from inflor.quant.operators import Linear
from inflor.targets.loihi import report as costs


def soft_reset_chain():
    """3 inputs, 4 neurons that subtract, 2 outputs; all-to-all; 5 steps."""
    made = [
        small_networks.population("input", (3,), "input"),
        small_networks.population("n", (4,), "spiking", 9, "subtract", 20, bias=1),
        small_networks.population("out", (2,), "readout"),
    ]
    links = [
        Projection("input", "n", (Linear("a", np.ones((4, 3), np.int64)),)),
        Projection("n", "out", (Linear("b", np.ones((2, 4), np.int64)),)),
    ]
    return small_networks.network(made, links, 5)


def test_counted_by_hand():
    """stock: a guard step, 4 synapses of self-inhibition, and 4 spikes that come back to the core of their neurons."""
    microcode, stock = placed("loihi", soft_reset_chain(), guard="short").costs
    assert (microcode.steps, microcode.neurons, microcode.synapses, microcode.cores) == (5, 6, 12 + 8, 2)
    assert (stock.steps, stock.neurons, stock.synapses, stock.cores) == (6, 6, 12 + 4 + 8, 2)
    assert (microcode.events, microcode.spikes) == (5 * 20, 5 * (3 + 4))
    assert (stock.events, stock.spikes) == (5 * 24, 5 * (3 + 4 + 4))


def test_at_the_rates_of_a_record():
    microcode, stock = placed("loihi", soft_reset_chain(), guard="short", rates={"n": 0.25}).costs
    assert (microcode.events, microcode.spikes) == (5 * (12 + 0.25 * 8), 5 * (3 + 0.25 * 4))
    assert (stock.events, stock.spikes) == (5 * (12 + 0.25 * 12), 5 * (3 + 0.25 * 8))


def test_a_way_that_there_is_not_says_why():
    net = soft_reset_chain()
    leaky = small_networks.population("n", (4,), "spiking", 9, "subtract", 20, decay=100)
    net = small_networks.network([net.populations[0], leaky, net.populations[2]], net.projections, 5)
    microcode, stock = placed("loihi", net).costs
    assert microcode.neurons == 6
    assert "soft reset with a leak" in stock.refused
    assert "stock: not possible: population 'n'" in costs.table([microcode, stock], {})


def test_place_prints_both(tmp_path):
    path = tmp_path / "chain.int.nir"
    net = soft_reset_chain()
    integer_nir.write(path, replace(net, info=replace(net.info, stage="integer")))
    printed = invoke("place", str(path), "--target", "loihi", "--guard", "short")
    assert printed.exit_code == 0, printed.output
    lines = [line.split() for line in printed.stdout.splitlines()]
    assert ["microcode", "5", "6", "0", "2", "20", "100", "35"] in lines
    assert ["stock", "6", "6", "0", "2", "24", "120", "55"] in lines
    plain = json.loads(invoke("place", str(path), "--target", "loihi", "--json").stdout)
    assert [cost["soft_reset"] for cost in plain["soft_resets"]] == ["microcode", "stock"]
    assert plain["soft_resets"][1]["events"] == 120
