"""The cpu target against the float torch network that it came from: same images, same threads, same run.

Two peers are timed: the network as it was trained (tdBN and MPR in place, eval mode, no gradients), and the float
executor, which has both folded away and computes the encoding layer once, as the emulator does.

    python benchmarks/emulator.py [--samples 256] [--threads 2] [--repeats 5]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from support.networks import exported, processor, random_images, random_network

from inflor.converter.simulate import execute
from inflor.converter.train.architecture import SpikingNetwork
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.running import run

TIMESTEPS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=256, help="images for convnet; resnet19 takes a sixteenth of it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{processor()}, {arguments.threads} threads, torch {torch.__version__}, T = {TIMESTEPS}")
    for name, shape, samples in (
        ("convnet", (1, 28, 28), arguments.samples),
        ("resnet19", (3, 32, 32), max(1, arguments.samples // 16)),
    ):
        compare(name, shape, samples, arguments.threads, arguments.repeats)


def compare(name: str, shape: tuple[int, ...], samples: int, threads: int, repeats: int) -> None:
    """Time one network on the emulator and on its two peers, in turn, and print the ratios of the medians."""
    images = random_images(max(samples, 8), shape)
    network = random_network(name, images, TIMESTEPS)
    graph, integer, report = exported(network, images)
    images = images[:samples]
    rates = [layer.spike_rate_integer for layer in report.layers if layer.spike_rate_integer is not None]
    sizes = [np.prod(layer.shape) for layer in report.layers if layer.spike_rate_integer is not None]
    contenders: dict[str, Callable[[], object]] = {
        "cpu target": lambda: emulate(integer, images, threads),
        "torch network": lambda: evaluate(network, images),
        "float executor": lambda: execute.run(graph, images, TIMESTEPS, keep=()),
    }
    seconds = interleaved(contenders, repeats)
    rate = float(np.average(rates, weights=sizes))
    print(f"\n{name} at {'x'.join(map(str, shape))}, {samples} images, mean spike rate {100 * rate:.1f} %")
    for contender, duration in seconds.items():
        print(f"  {contender:15s} {duration:8.3f} s   {samples / duration:9.1f} images/s")
    for peer in ("torch network", "float executor"):
        print(f"  cpu target is {seconds[peer] / seconds['cpu target']:.2f} times as fast as the {peer}")
    print(f"  peak memory of the process so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


@torch.no_grad()
def evaluate(network: SpikingNetwork, images: torch.Tensor) -> torch.Tensor:
    return network(images)


def emulate(network: IntegerNetwork, images: torch.Tensor, threads: int) -> object:
    return run(network, "cpu", images.numpy(), options={"threads": threads})


def interleaved(contenders: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, all run in turn `repeats` times after one warm-up each."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(repeats + 1):
        for name, contender in contenders.items():
            started = time.perf_counter()
            contender()
            if repeat:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    main()
