"""The spinnaker target on a large network: time to place, synaptic events per second, routing tables against PACMAN.

Peer, where sPyNNaker is installed: PACMAN's compare_tables on the same tables, in the same run.

    python benchmarks/spinnaker.py [--side 40] [--samples 4]
    python benchmarks/spinnaker.py --network resnet20    instead: place it, compare a sample with the cpu target
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from support.networks import exported, placed, processor, random_images, random_network

from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.neuron import NeuronRule, Subtract
from inflor.quant.operators import Conv, Flatten, Linear, Operator, unrolled
from inflor.targets import registry, running
from inflor.targets.equivalence import compare as equivalence
from inflor.targets.record.recorder import Recorder
from inflor.targets.spinnaker.limits import limits
from inflor.targets.spinnaker.place.tables import compress
from inflor.targets.spinnaker.plan import SpinnakerPlan

CHANNELS, LAYERS, TIMESTEPS = 16, 4, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=40, help="of the feature maps; 40 makes 100,000 neurons")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--network", help="a network of inflor.converter.train.networks at 3x32x32")
    arguments = parser.parse_args()
    print(processor())
    if arguments.network:
        whole(arguments.network)
        return
    network = convolutions(arguments.side)
    layer = network.projections[1]
    seconds, matrix = timed(lambda: unrolled(layer.operators, network.populations[1].shape))
    print(f"one convolution as {matrix.nnz:,} synapses: {seconds:.2f} s, {matrix.nnz / seconds / 1e6:.1f} million/s")
    seconds, plan = timed(lambda: placed("spinnaker", network))
    about = plan.summary()
    neurons = sum(p.size for p in network.populations[1:])
    print(f"{neurons:,} neurons, {about['synapses']:,} synapses placed on {about['cores']} cores: {seconds:.1f} s")
    moved, naive = about["traffic"]["packet_hops"], about["traffic"]["naive_order"]
    print(f"packets x hops per tick: {moved:,.0f}, {naive / moved:.2f} times fewer than in the network's order")
    run(plan, arguments.samples)
    plan = placed("spinnaker", network, neurons_per_core=-(-neurons // 2000), boards=3)
    tables(plan)


def whole(name: str) -> None:
    """Place an untrained network, and compare one sample with the cpu target."""
    images = random_images(8, (3, 32, 32))
    _, network, _ = exported(random_network(name, images, TIMESTEPS), images)
    seconds, plan = timed(lambda: placed("spinnaker", network))
    about = plan.summary()
    print(
        f"{name} at 3x32x32: {sum(p.size for p in network.populations[1:]):,} neurons, {about['synapses']:,} synapses "
        f"on {about['cores']} cores, {about['chips']} chips, {about['boards']} boards: {seconds:.0f} s, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB"
    )
    inputs = network.quantize_input(images[:1].numpy())
    records = {}
    for name, made in {"cpu": placed("cpu", network), "spinnaker": plan}.items():
        seconds, records[name] = timed(partial(running.record, registry.find(name), made, network, inputs))
        print(f"  one sample on {name}: {seconds:.1f} s")
    result = equivalence.compare(network, records, inputs)
    print(f"  {'equal' if result.equal else 'DIFFERENT'}: {result.compared_spikes:,} spikes and silences compared")


def convolutions(side: int) -> IntegerNetwork:
    """Convolutions of 3x3 over CHANNELS maps, soft reset, and a readout."""
    rng = np.random.default_rng(0)
    shape = (CHANNELS, side, side)

    def conv(name: str, inner: int) -> tuple[Operator, ...]:
        weight = rng.integers(-30, 40, (CHANNELS, inner, 3, 3))
        return (Conv(name, weight, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),)

    def neurons(name: str, threshold: int) -> Population:
        value = np.asarray(threshold)
        rule = NeuronRule(threshold=value, reset=Subtract(2 * (value + 1)))
        return Population(name=name, shape=shape, role="spiking", rule=rule, scale=np.asarray(0.5))

    names = [f"layer{i}" for i in range(1, LAYERS + 1)]
    source = Population(name="input", shape=(3, side, side), role="input", scale=np.asarray(0.1), weight_bits=0)
    layers = [neurons(name, 20_000 if i == 0 else 800) for i, name in enumerate(names)]
    readout = Population(name="readout", shape=(10,), role="readout", scale=np.asarray(0.5))
    final = (Flatten("flatten", 0, 2), Linear("final", rng.integers(-20, 20, (10, CHANNELS * side * side))))
    chain = ["input", *names]
    projections = [
        Projection(a, b, conv(f"conv_{b}", 3 if a == "input" else CHANNELS)) for a, b in zip(chain, names, strict=False)
    ]
    projections.append(Projection(names[-1], "readout", final))
    info = ModelInfo(timesteps=TIMESTEPS, stage="integer")
    return IntegerNetwork(
        (source, *layers, readout), tuple(projections), ("readout",), info, input_bits=8, source="convolutions"
    )


def run(plan: SpinnakerPlan, samples: int) -> None:
    """Time a run."""
    shape = plan.network.inputs[0].shape
    inputs = np.random.default_rng(1).integers(-128, 128, (samples, *shape)).astype(np.int8)
    recorder = Recorder(plan.populations, TIMESTEPS, samples, False)
    seconds, met = timed(lambda: registry.find("spinnaker").run(plan, inputs, recorder, None))
    print(
        f"{samples} samples, {met['spikes']:,} spikes: {seconds:.1f} s with loading, "
        f"{met['synaptic_events'] / seconds / 1e6:.1f} million synaptic events/s; needs {met['time_scale']} ms per tick"
    )


def tables(plan: SpinnakerPlan) -> None:
    """Time compressing and verifying all routing tables, and PACMAN doing the same."""
    router = limits("spinnaker1").router_entries
    short_seconds, short = timed(lambda: {chip: compress(t, router) for chip, t in plan.original.items()})
    verify_seconds, wrong = timed(replace(plan, tables=short).compare_tables)
    before, after = sum(map(len, plan.original.values())), sum(map(len, short.values()))
    print(f"routing tables of {len(plan.neurons)} cores on {plan.machine.boards} boards, {before:,} entries:")
    print(f"  inflor: {after:,} entries in {short_seconds:.2f} s, proved in {verify_seconds:.2f} s, {len(wrong)} wrong")
    try:
        from pacman.model.routing_tables import UnCompressedMulticastRoutingTable
        from pacman.operations.router_compressors.routing_compression_checker import compare_tables
        from spinn_machine import MulticastRoutingEntry, RoutingEntry
    except ImportError:
        print("  PACMAN is not installed: pip install 'inflor[spinnaker]'")
        return

    def theirs(chip: Any, table: Any, default: Any) -> Any:
        rows = zip(table.key.tolist(), table.mask.tolist(), table.route.tolist(), default.tolist(), strict=True)
        routes = [(k, m, RoutingEntry(spinnaker_route=r, defaultable=straight)) for k, m, r, straight in rows]
        entries = [MulticastRoutingEntry(*row) for row in routes]
        return UnCompressedMulticastRoutingTable(*chip, entries)

    pairs = [
        (theirs(chip, t, t.default), theirs(chip, short[chip], np.zeros(len(short[chip]), bool)))
        for chip, t in plan.original.items()
    ]
    seconds, _ = timed(lambda: [compare_tables(a, b) for a, b in pairs])
    print(f"  PACMAN's compare_tables finds no fault: {seconds:.2f} s, {seconds / verify_seconds:.0f} times as long")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
