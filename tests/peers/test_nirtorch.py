"""The portable soft reset, wired by nirtorch's own reading of recurrent graphs, without our metadata."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch
from peers import ours
from torch import nn

from inflor.converter.primitives.base import primitive
from inflor.converter.simulate.execute import run

pytestmark = pytest.mark.slow

nirtorch = pytest.importorskip("nirtorch", reason="nirtorch is not installed (make peers)")


class Integrator(nn.Module):
    def __init__(self, node: nir.I) -> None:
        super().__init__()
        self.r = torch.from_numpy(np.array(node.r))

    def forward(self, x: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        v = (0 if state is None else state) + self.r * x
        return v, v


class Pointwise(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def affine(node: nir.Affine) -> nn.Linear:
    """nirtorch's own (2.6) sets the bias as an attribute of the weight, so that it keeps a random one."""
    module = nn.Linear(node.weight.shape[1], node.weight.shape[0])
    module.weight.data, module.bias.data = torch.from_numpy(node.weight), torch.from_numpy(node.bias)
    return module


MAP = {
    nir.Affine: affine,
    nir.I: Integrator,
    nir.Threshold: lambda node: Pointwise(lambda x: (x > torch.tensor(node.threshold)).to(x.dtype)),
    nir.Scale: lambda node: Pointwise(lambda x: x * torch.tensor(node.scale)),
}


@pytest.mark.parametrize("case", ["dense, subtract", "convolutional, subtract"])
def test_it_fires_the_same_spikes(case, tmp_path):
    graph = ours.GRAPHS[case]()
    ours.write(graph, tmp_path / "ours.nir", 1.0)
    net = nirtorch.nir_to_torch(nir.read(tmp_path / "ours.nir"), MAP, dtype=torch.float64)
    x = 2 * torch.randn(12, 4, *graph.input_shapes["input"], generator=torch.Generator().manual_seed(0)).double()
    neurons = [name for name, node in graph.nodes.items() if primitive(node).resets]
    result = run(graph, x, len(x), keep=neurons, dtype=torch.float64)
    kept: dict[str, list[torch.Tensor]] = {name: [] for name in neurons}
    for name in neurons:
        net.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: kept[name].append(out))
    for sample in range(4):
        state = None
        with torch.no_grad():
            for step in range(12):
                _, state = net(x[step, sample], state)
    for name in neurons:
        theirs = torch.stack(kept[name]).unflatten(0, (4, 12)).transpose(0, 1)
        assert torch.equal(theirs.bool(), result.spikes[name]), name
        assert result.spikes[name].any()


def test_its_own_affine_loses_the_bias():
    """The fault that `affine` works around; once this fails it can go."""
    node = nir.Affine(np.eye(3, dtype=np.float32), np.full(3, 7, np.float32))
    assert not torch.equal(nirtorch.nir_to_torch(node, {}).bias, torch.full((3,), 7.0))
