"""A network that was trained elsewhere: recurrent current-based neurons of snnTorch, by way of NIR, in integers.

The task is one of time: a tone sweeps over ten channels, up, down, up and back, or down and back. Every channel
carries the same in all four classes; only the order tells them apart.

    pip install snntorch nirtorch        (or: make peers)
    python examples/from_snntorch.py [FOLDER] [zero | subtract]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

import inflor

try:
    import nir
    import snntorch
    from snntorch.export_nir import export_to_nir
except ModuleNotFoundError as error:
    sys.exit(f"this example trains in snnTorch, and {error.name} is not installed: pip install snntorch nirtorch")

STEPS, CHANNELS = 40, 10
CLASSES = ("up", "down", "up and back", "down and back")
EPOCHS, BATCH, LEARNING_RATE = 12, 128, 1e-2


def sweeps(samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Spikes [N, T, C] of sweeps of random start, length and jitter, with spikes lost and added; and their classes."""
    y = rng.integers(0, len(CLASSES), samples)
    length = rng.integers(20, 33, samples)
    start = rng.integers(0, STEPS - length + 1)
    progress = (np.arange(STEPS) - start[:, None]) / (length[:, None] - 1)
    there_and_back = 1 - np.abs(2 * progress - 1)
    path = np.stack([progress, 1 - progress, there_and_back, 1 - there_and_back])[y, np.arange(samples)]
    tone = np.rint(path * (CHANNELS - 1) + rng.normal(0, 0.4, path.shape))
    heard = (progress >= 0) & (progress <= 1) & (rng.random(path.shape) < 0.9)
    x = (tone[..., None] == np.arange(CHANNELS)) & heard[..., None]
    return (x | (rng.random(x.shape) < 0.02)).astype(np.float32), y


def network(reset: str, hidden: int = 40) -> nn.Sequential:
    """Two layers of current-based neurons, each with recurrent weights and biases of its own."""

    def layer(size: int) -> snntorch.RSynaptic:
        neurons = snntorch.RSynaptic(
            alpha=0.7,
            beta=0.9,
            linear_features=size,
            reset_mechanism=reset,
            init_hidden=True,
            threshold=1.0,
            spike_grad=snntorch.surrogate.fast_sigmoid(5),
        )
        nn.init.normal_(neurons.recurrent.weight, std=0.05)
        return neurons

    def weights(inputs: int, outputs: int) -> nn.Linear:
        result = nn.Linear(inputs, outputs)
        nn.init.normal_(result.weight, std=1.2 / inputs**0.5)  # strong enough that every layer fires from the start
        nn.init.constant_(result.bias, 0.02)
        return result

    classes = len(CLASSES)
    return nn.Sequential(weights(CHANNELS, hidden), layer(hidden), weights(hidden, classes), layer(classes))


def spikes(net: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """Output spikes [T, N, K] of inputs [N, T, C]."""
    for layer in net[1::2]:
        layer.reset_mem()
    return torch.stack([net(step) for step in x.transpose(0, 1)])


def train(net: nn.Sequential, x: torch.Tensor, y: torch.Tensor) -> None:
    """Cross-entropy of the spike counts."""
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, EPOCHS * -(-len(x) // BATCH))
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(x)).split(BATCH):
            loss = nn.functional.cross_entropy(spikes(net, x[chosen]).sum(0) / 2, y[chosen])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()


folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/from_snntorch")
reset = sys.argv[2] if len(sys.argv) > 2 else "zero"
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)
rng = np.random.default_rng(0)
(x_train, y_train), (x_test, y_test) = sweeps(2000, rng), sweeps(1000, rng)
data = folder / "sweeps.npz"
np.savez(data, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, class_names=np.array(CLASSES))

net = network(reset)
train(net, torch.from_numpy(x_train), torch.from_numpy(y_train))
with torch.no_grad():
    counts = spikes(net, torch.from_numpy(x_test)).sum(0).numpy()
print(f"accuracy {(counts.argmax(1) == y_test).mean():.4f} in snnTorch")

for layer in net[1::2]:
    layer.reset_mem()
nir.write(folder / "snntorch.nir", export_to_nir(net, torch.zeros(1, CHANNELS), ignore_dims=[0]))
conventions = inflor.Conventions(framework="snntorch", reset=reset)  # its file does not say how a neuron resets
graph = inflor.convert(folder / "snntorch.nir", folder / "model.nir", conventions=conventions).graph
quantized = inflor.quantize(graph, calibrate=data, out=folder / "model.int.nir")
before, after = inflor.run(graph, dataset=data), inflor.run(quantized.network, dataset=data)
print(f"accuracy {before.accuracy:.4f} in float, {after.accuracy:.4f} in integers of 8 bits")
same = (before.predictions == counts.argmax(1)).mean()
print(f"snnTorch and the float network give {100 * same:.1f} % of the samples the same class")

installed = [target.name for target in inflor.list_targets() if target.input == "integer" and target.missing is None]
found = inflor.check(quantized.network, installed, dataset=data, samples=8)
print(
    f"{', '.join(installed)}: {'equal' if found.equal else 'different'} in {found.compared_spikes} spikes and silences"
)
