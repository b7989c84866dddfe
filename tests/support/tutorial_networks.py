"""The networks of the frameworks' own tutorials (tutorials/*.py), trained a little on real data.

    python tests/support/tutorial_networks.py FOLDER [NAME ...]    # trains them, leaves NAME.pt there

Each file in tutorials/ is one that a person has: it knows nothing of inflor.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tutorial_data import DATA, SHAPES, TESTED, data

FOLDER = Path(__file__).resolve().parent / "tutorials"


@dataclass(frozen=True, kw_only=True)
class Tutorial:
    """One network.

    Attributes:
        title: for the table.
        file, name: what makes the module: tutorials/FILE.py:NAME.
        framework: its package.
        data: "mnist", "flat" (a vector), "rows" (a row for each step) or "rate" (spikes) of MNIST, "cifar10",
            "nmnist".
        steps: per sample.
        trained: samples that it is trained on.
        epochs: passes over them.
        forward: (module, x [B, ...]) -> logits [B, 10], as its tutorial reads it.
        learn: the same of what is trained, where that is read otherwise.
        options: of `inflor import`, beside the steps.
        train: what is trained where that is not the module that is imported.
    """

    title: str
    file: str
    name: str
    framework: str
    data: str
    steps: int
    trained: int = 6000
    epochs: int = 1
    batch: int = 100
    rate: float = 2e-3
    forward: Callable[[nn.Module, Tensor], Tensor]
    learn: Callable[[nn.Module, Tensor], Tensor] | None = None
    options: tuple[str, ...] = ()
    train: Callable[[ModuleType], nn.Module] | None = None

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.file}.py"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample at one step."""
        return SHAPES[self.data]

    def module(self) -> tuple[nn.Module, nn.Module]:
        """A new one: what is trained, and what is imported."""
        _without_torchvision()
        spec = importlib.util.spec_from_file_location(f"tutorial_{self.file}", self.path)
        assert spec is not None
        assert spec.loader is not None
        file = importlib.util.module_from_spec(spec)
        with contextlib.redirect_stdout(io.StringIO()):
            spec.loader.exec_module(file)
            made = getattr(file, self.name)
            module = made if isinstance(made, nn.Module) else made()
        return module if self.train is None else self.train(file), module


def _without_torchvision() -> None:
    """SpikingJelly's models import torchvision for one function, to download weights; torch has the same."""
    if "torchvision" not in sys.modules and importlib.util.find_spec("torchvision") is None:
        package, inner = ModuleType("torchvision"), ModuleType("torchvision._internally_replaced_utils")
        inner.load_state_dict_from_url = torch.hub.load_state_dict_from_url  # type: ignore[attr-defined]
        sys.modules |= {package.__name__: package, inner.__name__: inner}


def _recorded(net: nn.Module, x: Tensor) -> Tensor:
    """The first of what it returns, [T, B, 10], summed."""
    out = net(x)
    return (out[0] if isinstance(out, tuple) else out).sum(0)


def _membranes(net: nn.Module, x: Tensor) -> Tensor:
    """What the tutorials' losses see: the mean potential of the last layer."""
    return net(x.transpose(0, 1))[1].mean(0)


def _own_loop(net: nn.Module, x: Tensor) -> Tensor:
    """The same of a module that has its loop inside."""
    return net(x)[1].mean(0)


def _time_first(net: nn.Module, x: Tensor) -> Tensor:
    return _recorded(net, x.transpose(0, 1))


def _hidden(steps: int) -> Callable[[nn.Module, Tensor], Tensor]:
    """snnTorch's loop outside of a network with hidden states."""

    def forward(net: nn.Module, x: Tensor) -> Tensor:
        from snntorch import utils

        utils.reset(net)
        return torch.stack([net(x if x.dim() == 4 else x[:, t])[0] for t in range(steps)]).sum(0)

    return forward


def _flat(net: nn.Module, x: Tensor) -> Tensor:
    return _recorded(net, x.flatten(1))


def _jelly(repeat: int = 0, single: bool = False) -> Callable[[nn.Module, Tensor], Tensor]:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        from spikingjelly.activation_based import functional

        functional.reset_net(net)
        if single:
            return torch.stack([net(x) for _ in range(repeat)]).mean(0)
        return net(x.unsqueeze(0).repeat(repeat, 1, 1, 1, 1)).mean(0) if repeat else net(x)

    return forward


def _norse(steps: int) -> Callable[[nn.Module, Tensor], Tensor]:
    """Its example takes the largest potential; the last is what a readout says here."""

    def forward(net: nn.Module, x: Tensor) -> Tensor:
        return net(x.unsqueeze(0).repeat(steps, 1, 1, 1, 1))[-1]

    return forward


def _sinabs(steps: int) -> Callable[[nn.Module, Tensor], Tensor]:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        import sinabs

        if isinstance(net[-1], nn.Linear):
            return net(x)
        sinabs.reset_states(net)
        sinabs.set_batch_size(net, len(x))
        return net(x.unsqueeze(1).repeat(1, steps, 1, 1, 1).flatten(0, 1)).unflatten(0, (len(x), steps)).sum(1)

    return forward


def _rockpool_mean(net: Any, x: Tensor) -> Tensor:
    return _rockpool(net, x) * (8 / x.shape[1])


def _rockpool(net: Any, x: Tensor) -> Tensor:
    net.reset_state()
    return net(x)[0].sum(1)


TUTORIALS = {
    "snntorch_dense": Tutorial(
        title="snnTorch tutorial 5: dense, loop inside forward",
        file="snntorch_dense",
        name="Net",
        framework="snntorch",
        data="flat",
        steps=25,
        rate=1e-3,
        forward=_recorded,
        epochs=2,
        learn=_own_loop,
    ),
    "snntorch_rate": Tutorial(
        title="snnTorch tutorial 3: dense, rate-coded spikes",
        file="snntorch_rate",
        name="Net",
        framework="snntorch",
        data="rate",
        steps=25,
        rate=1e-3,
        forward=_time_first,
        epochs=2,
        learn=_membranes,
    ),
    "snntorch_conv": Tutorial(
        title="snnTorch tutorial 6: convolutions, max pooling of currents",
        file="snntorch_conv",
        name="net",
        framework="snntorch",
        data="mnist",
        steps=10,
        rate=5e-3,
        forward=_hidden(10),
    ),
    "snntorch_events": Tutorial(
        title="snnTorch tutorial 7: the same on frames of N-MNIST",
        file="snntorch_events",
        name="net",
        framework="snntorch",
        data="nmnist",
        steps=10,
        trained=500,
        batch=25,
        rate=5e-3,
        forward=_hidden(10),
        epochs=6,
    ),
    "snntorch_recurrent": Tutorial(
        title="snnTorch RSynaptic and RLeaky, an image row by row",
        file="snntorch_recurrent",
        name="Net",
        framework="snntorch",
        data="rows",
        steps=28,
        forward=_time_first,
        epochs=4,
        learn=_membranes,
        rate=5e-3,
    ),
    "spikingjelly_csnn": Tutorial(
        title="SpikingJelly CSNN, multi-step: batch norm, IF, max pooling of spikes",
        file="spikingjelly_csnn",
        name="CSNN",
        framework="spikingjelly",
        data="mnist",
        steps=4,
        forward=_jelly(),
        epochs=2,
    ),
    "spikingjelly_csnn_single": Tutorial(
        title="SpikingJelly CSNN, single-step",
        file="spikingjelly_csnn",
        name="SingleStep",
        framework="spikingjelly",
        data="mnist",
        steps=4,
        forward=_jelly(4, single=True),
        epochs=2,
    ),
    "spikingjelly_resnet18": Tutorial(
        title="SpikingJelly spiking ResNet-18",
        file="spikingjelly_resnet18",
        name="net",
        framework="spikingjelly",
        data="cifar10",
        steps=4,
        trained=1500,
        forward=_jelly(4),
        batch=50,
        rate=1e-3,
        epochs=2,
    ),
    "spikingjelly_vgg11": Tutorial(
        title="SpikingJelly spiking VGG-11 with batch norm",
        file="spikingjelly_vgg11",
        name="net",
        framework="spikingjelly",
        data="cifar10",
        steps=4,
        trained=1500,
        forward=_jelly(4),
        batch=50,
        rate=1e-3,
        epochs=2,
    ),
    "norse_conv": Tutorial(
        title="Norse ConvNet4: LIF with synaptic currents, max pooling of spikes",
        file="norse_conv",
        name="net",
        framework="norse",
        data="mnist",
        steps=32,
        trained=1500,
        forward=_norse(32),
    ),
    "sinabs_cnn": Tutorial(
        title="Sinabs from_torch of a ReLU CNN, single spikes",
        file="sinabs_cnn",
        name="net",
        framework="sinabs",
        data="mnist",
        steps=20,
        trained=6000,
        forward=_sinabs(20),
        train=lambda file: file.ann,
        epochs=2,
        rate=1e-3,
    ),
    "rockpool_lif": Tutorial(
        title="Rockpool LIFTorch, rate-coded spikes",
        file="rockpool_lif",
        name="net",
        framework="rockpool",
        data="rate",
        steps=25,
        rate=3e-3,
        forward=_rockpool,
        learn=_rockpool_mean,
        epochs=2,
    ),
}


def missing(name: str, trains: bool = True) -> str | None:
    """Why a tutorial's network cannot be made here, or trained, or None."""
    framework = TUTORIALS[name].framework
    if importlib.util.find_spec(framework) is None:
        return f"{framework} is not installed"
    return None if not trains or (DATA / "mnist.npz").is_file() else f"there is no mnist.npz in {DATA}"


def trained(name: str, seed: int = 0) -> nn.Module:
    """The module that is imported, trained a little, in evaluation mode."""
    tutorial = TUTORIALS[name]
    torch.manual_seed(seed)
    learns, module = tutorial.module()
    found = data(tutorial.data)
    x = torch.from_numpy(found["x_train"][: tutorial.trained])
    y = torch.from_numpy(found["y_train"][: tutorial.trained])
    optimizer = torch.optim.Adam(_parameters(learns), lr=tutorial.rate)
    learns.train()
    logits = tutorial.learn or tutorial.forward
    for _ in range(tutorial.epochs):
        for chosen in torch.split(torch.randperm(len(x)), tutorial.batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(logits(learns, x[chosen]), y[chosen])
            loss.backward()
            optimizer.step()
    if learns is not module:
        module = tutorial.module()[1]
        module.load_state_dict(learns.state_dict(), strict=False)
    return module.eval()


def _parameters(net: Any) -> list[nn.Parameter]:
    """Rockpool gives a tree of them, time constants too, whose gradients grow without bound here."""
    return list(
        net.parameters("weights").astorch() if type(net).__module__.startswith("rockpool") else net.parameters()
    )


def predictions(name: str, module: nn.Module, count: int = TESTED) -> np.ndarray:
    """The class of each test sample, by the framework itself."""
    tutorial = TUTORIALS[name]
    x = torch.from_numpy(data(tutorial.data)["x_test"][:count])
    with torch.no_grad():
        return torch.cat([tutorial.forward(module, part).argmax(1) for part in torch.split(x, 100)]).numpy()


def main(folder: str, *names: str) -> None:
    import time

    for name in names or TUTORIALS:
        began = time.perf_counter()
        module = trained(name)
        torch.save(module.state_dict(), Path(folder) / f"{name}.pt")
        mine = predictions(name, module)
        right = (mine == data(TUTORIALS[name].data)["y_test"][: len(mine)]).mean()
        print(f"{name}: {100 * right:.1f} %, {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
