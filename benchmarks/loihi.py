"""The cpu target against Lava's simulation of the same integer network: same samples, same run, ratio printed.

    python benchmarks/loihi.py [--network convnet] [--samples 16] [--stock-models]

Both fire the same spikes, which is checked. Lava's time is that of its steps; what it takes to start the worker and
build the graph is printed beside it, and so is the number of its processes.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from support.networks import exported, placed, processor, random_images, random_network

from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry, running
from inflor.targets.api import Plan
from inflor.targets.equivalence import compare as equivalence
from inflor.targets.record.file import Record

TIMESTEPS = 4
SHAPES = {"convnet": (1, 28, 28), "resnet8": (1, 8, 8), "resnet20": (3, 32, 32)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=sorted(SHAPES), default="convnet")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--stock-models", action="store_true", help="Lava's own process models only")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    images = random_images(max(arguments.samples, 8), SHAPES[arguments.network])
    channels = 16 if arguments.network == "resnet20" else None
    _, network, _ = exported(random_network(arguments.network, images, TIMESTEPS, channels), images)
    inputs = network.quantize_input(images[: arguments.samples].numpy())
    print(f"{processor()}, 2 threads, {arguments.network}, {arguments.samples} samples, T = {TIMESTEPS}")
    records = {}
    seconds = {}
    records["cpu"], seconds["cpu"] = timed("cpu", placed("cpu", network), network, inputs)
    for soft_reset in ("microcode", "stock"):
        plan = placed("loihi", network, soft_reset=soft_reset, exact_lava=arguments.stock_models)
        records[soft_reset], seconds[soft_reset] = timed("loihi", plan, network, inputs)
        measured = records[soft_reset].run["plan"]
        steps = measured["run_seconds"] / measured["steps"]
        print(
            f"loihi {soft_reset}: {seconds[soft_reset]:.2f} s in all, {measured['run_seconds']:.2f} s for "
            f"{measured['steps']} steps ({1000 * steps:.1f} ms each), build {measured['build_seconds']:.2f} s, "
            f"{measured['os_processes']} processes, {plan.layout.period} steps per sample, "
            f"{sum(plan.summary()['neurons'].values())} neurons"
        )
        print(
            f"  cpu {seconds['cpu']:.3f} s: {seconds[soft_reset] / seconds['cpu']:.0f} times faster in all, "
            f"{measured['run_seconds'] / seconds['cpu']:.0f} times by steps alone"
        )
    result = equivalence.compare(network, records, inputs)
    print(f"{'equal' if result.equal else 'DIFFERENT'}: {result.compared_spikes} spikes and silences compared")


def timed(target: str, plan: Plan, network: IntegerNetwork, inputs: np.ndarray) -> tuple[Record, float]:
    """The record of a run, and its seconds; the cpu target is run once before, to be warm."""
    for _ in range(2 if target == "cpu" else 1):
        started = time.perf_counter()
        record = running.record(registry.find(target), plan, network, inputs)
        seconds = time.perf_counter() - started
    return record, seconds


if __name__ == "__main__":
    main()
