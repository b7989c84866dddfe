"""A torch module of one's own, with our neurons in it, trained by one's own loop; then a graph, integers, and a check.

The module is an ordinary nn.Module: a residual add, a maximum pool of spikes, batch norms, whatever torch has a layer
for. Tensors are [T, B, ...], time first, because SpikingNeuron takes all steps at once.

    python examples/own_torch_module.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import inflor
from inflor.converter.train.neurons import NeuronConfig, SpikingNeuron

STEPS, EPOCHS, BATCH = 4, 5, 64
SRIF = NeuronConfig.preset("srif")


class Network(nn.Module):
    """One 8x8 digit [B, 1, 8, 8] -> scores [B, 10]."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.spikes1 = SpikingNeuron(SRIF)
        self.conv2, self.norm2 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.spikes2 = SpikingNeuron(SRIF)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(channels * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        current = self.norm1(self.conv1(x))
        first = self.spikes1(current.expand(STEPS, *current.shape))  # the image is the current of every step
        second = self.norm2(self.conv2(first.flatten(0, 1))).unflatten(0, first.shape[:2])
        meeting = self.spikes2(second + first)  # the residual add
        pooled = self.pool(meeting.flatten(0, 1)).flatten(1)  # a maximum of spikes
        return self.fc(pooled).unflatten(0, first.shape[:2]).mean(0)


folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own_torch_module")
folder.mkdir(parents=True, exist_ok=True)
data = inflor.load_dataset("digits")
x, y = torch.from_numpy(data.x_train).float(), torch.from_numpy(data.y_train)

torch.manual_seed(0)
network = Network()
optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
for epoch in range(EPOCHS):
    network.train()
    total = 0.0
    for batch in torch.randperm(len(x)).split(BATCH):
        loss = functional.cross_entropy(network(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    print(f"epoch {epoch + 1}: loss {total / len(x):.3f}")

network.eval()
with torch.no_grad():
    predicted = network(torch.from_numpy(data.x_test).float()).argmax(1)
print(f"accuracy {(predicted.numpy() == data.y_test).mean():.4f} in torch")

imported = inflor.from_torch(network, (1, 8, 8), data=data, samples=64, out=folder / "model.nir")
for note in imported.notes:
    print("note:", note)
for population in imported.comparison.populations:
    print(f"  {population.name}: {'equal' if population.equal else 'NOT EQUAL'}, {population.spikes:,} spikes")
assert imported.comparison.equal

quantized = inflor.quantize(imported.graph, calibrate=data, bits=8, out=folder / "model.int.nir")
before, after = inflor.run(imported.graph, dataset=data), inflor.run(quantized.network, dataset=data, target="cpu")
print(f"accuracy {before.accuracy:.4f} as a graph, {after.accuracy:.4f} in integers on cpu")
found = inflor.check(quantized.network, ["cpu", "spinnaker"], dataset=data, samples=4)
print(f"cpu and spinnaker: {'the same' if found.equal else 'DIFFERENT'}, {found.compared_spikes} spikes compared")
