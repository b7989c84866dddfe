"""How long an estimate takes, on a network too large to unroll: resnet19 at 3x32x32, 2 thousand million synapses.

python benchmarks/estimate.py [--samples 16] [--threads 2] [--network resnet19]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from support.networks import exported, processor, random_images, random_network

from inflor.targets.cost.estimate import estimate
from inflor.targets.record import file as record
from inflor.targets.running import run

TIMESTEPS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", default="resnet19")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = random_images(max(arguments.samples, 8), (3, 32, 32))
    _, network, _ = exported(random_network(arguments.network, images, TIMESTEPS), images)
    images = images[: arguments.samples]
    print(
        f"{processor()}, {arguments.threads} threads, {arguments.network}, {arguments.samples} samples, T = {TIMESTEPS}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.h5"
        run(network, "cpu", images.numpy(), out=path)
        wall, cpu = time.perf_counter(), time.process_time()
        report = estimate(network, record.read(path))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    counts = report.counts
    print(
        f"  {counts.total('synapses'):.4g} synapses, {counts.synaptic_events:.4g} events of {counts.spikes:.4g} spikes"
    )
    print(f"  estimate of {len(report.estimates)} models: {wall:.1f} s ({cpu:.1f} s of processor time)")


if __name__ == "__main__":
    main()
