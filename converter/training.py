"""Training by surrogate gradients: epochs, checkpoints, metrics, and a resume that ends at the same weights.

Everything random is drawn from (seed, epoch), so an epoch does not depend on a restart before it.
"""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from converter.architecture import SpikingNetwork
from converter.augment import augment
from converter.checkpoint import load_checkpoint, save_model
from converter.datasets import Dataset
from converter.errors import InputError
from converter.files import atomic_path
from converter.metadata import ModelInfo
from converter.networks import build
from converter.training_config import TrainConfig, default_config

__all__ = ["Progress", "TrainConfig", "TrainResult", "default_config", "evaluate", "train"]

CHECKPOINT = "checkpoint.pt"
MODEL = "model.pt"
METRICS = "metrics.json"
_EVALUATION_BATCH = 256

Progress = Callable[[Mapping[str, Any]], None]
"""Called after every batch with epoch, epochs, batch, batches (counted from 1) and loss, the epoch's mean so far.

After an epoch's last batch also with train_accuracy, learning_rate and seconds.
"""


@dataclass(frozen=True)
class TrainResult:
    """model_path: the written `model.pt`. metrics: what `metrics.json` beside it says."""

    model_path: Path
    metrics: dict[str, Any]


def train(
    dataset: Dataset,
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> TrainResult:
    """Train `config` on the data set's train split; write model.pt, metrics.json and checkpoint.pt to the folder `out`.

    The checkpoint and the metrics are renewed after every epoch. The result is the last epoch's network: the test
    split is looked at once, at the end. With `resume` the checkpoint in `out` is continued, to the same weights (on
    the same machine) as without the interruption. An interrupt passes through and leaves the last epoch's checkpoint.

    Raises:
        InputError: the network does not fit the data, CUDA is asked for and absent, the loss is no longer finite, a
            file cannot be written; with `resume`: no checkpoint, or one of other settings or data (names which).
    """
    out = Path(out)
    device = _device(config)
    with _deterministic(config.seed):
        run = _Run.restored(dataset, config, out, device) if resume else _Run.fresh(dataset, config, device)
        x = torch.from_numpy(dataset.x_train).to(device)
        y = torch.from_numpy(dataset.y_train).to(device)
        _write_metrics(out, run.metrics(dataset, device))  # so that a folder that cannot be written is known at once
        for epoch in range(len(run.history) + 1, config.epochs + 1):
            run.history.append(_train_epoch(run, x, y, epoch, out, progress))
            _check_weights(run.network, epoch, out)
            save_model(out / CHECKPOINT, run.network, run.info, training=run.state(dataset))
            _write_metrics(out, run.metrics(dataset, device))
        accuracy = evaluate(run.network, run.info, dataset.x_test, dataset.y_test)
    save_model(out / MODEL, run.network, run.info)
    metrics = run.metrics(dataset, device) | {"test_accuracy": accuracy, "finished": True}
    _write_metrics(out, metrics)
    return TrainResult(out / MODEL, metrics)


def evaluate(network: SpikingNetwork, info: ModelInfo, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    """The fraction of images x ([N, *shape], natural scale) that the network in evaluation mode puts in class y [N]."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(x), _EVALUATION_BATCH):
            images = torch.from_numpy(info.normalise(x[start : start + _EVALUATION_BATCH])).to(device)
            labels = torch.from_numpy(y[start : start + _EVALUATION_BATCH]).to(device)
            right += int((network(images).argmax(1) == labels).sum())
    network.train(was_training)
    return right / len(x)


@dataclass
class _Run:
    """A training between two epochs."""

    config: TrainConfig
    network: SpikingNetwork
    optimizer: torch.optim.Optimizer
    info: ModelInfo
    history: list[dict[str, float]]

    @classmethod
    def fresh(cls, dataset: Dataset, config: TrainConfig, device: torch.device) -> _Run:
        if len(dataset.x_train) < 2:
            raise InputError(f"{dataset.name}: has {len(dataset.x_train)} training sample; at least 2 are needed")
        architecture = build(config.network, dataset.shape, dataset.classes, config.channels)
        if config.augment != "none" and len(dataset.shape) != 3:
            raise InputError(
                f"augment {config.augment} needs images, but samples have shape {dataset.shape}; choose none"
            )
        network = SpikingNetwork(architecture, config.neuron, config.timesteps).to(device)
        info = ModelInfo(
            timesteps=config.timesteps,
            input_mean=dataset.mean,
            input_std=dataset.std,
            class_names=dataset.class_names,
            dataset=dataset.name,
            architecture=config.network,
        )
        return cls(config, network, _optimizer(network, config), info, [])

    @classmethod
    def restored(cls, dataset: Dataset, config: TrainConfig, out: Path, device: torch.device) -> _Run:
        path = out / CHECKPOINT
        if not path.is_file():
            raise InputError(f"{path}: there is nothing to resume; train without --resume first")
        network, info, state = load_checkpoint(path)
        run = cls.fresh(dataset, config, device)
        if state is None or set(state) != {"config", "data", "history", "optimizer"}:
            raise InputError(f"{path}: is a finished model, no checkpoint to resume")
        _check_same(state["config"], config.to_plain(), path)
        if state["data"] != dataset.fingerprint():
            raise InputError(f"{path}: was trained on other data than {dataset.name} holds now; train without --resume")
        if network.architecture != run.network.architecture:
            raise InputError(f"{path}: holds another network than {config.network} is now; train without --resume")
        run.network.load_state_dict(network.state_dict())
        try:
            run.optimizer.load_state_dict(state["optimizer"])
            _check_optimizer(run.optimizer)
            run.history.extend(_history(state["history"], config.epochs))
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"{path}: its training state is damaged ({error}); train without --resume") from error
        run.info = info
        return run

    def state(self, dataset: Dataset) -> dict[str, Any]:
        """What the checkpoint needs beside the network."""
        return {
            "config": self.config.to_plain(),
            "data": dataset.fingerprint(),
            "history": self.history,
            "optimizer": self.optimizer.state_dict(),
        }

    def metrics(self, dataset: Dataset, device: torch.device) -> dict[str, Any]:
        return {
            "config": self.config.to_plain(),
            "dataset": {"name": dataset.name, "train": len(dataset.x_train), "test": len(dataset.x_test)},
            "parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "epochs": self.history,
            "seconds": sum(entry["seconds"] for entry in self.history),
            "finished": False,
            "device": _device_name(device),
            "versions": {
                "inflor": self.info.version,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }


def _train_epoch(run: _Run, x: Tensor, y: Tensor, epoch: int, out: Path, progress: Progress | None) -> dict[str, float]:
    config = run.config
    began = time.perf_counter()
    generator = _generator(config.seed, epoch)
    batches = _batches(len(x), config.batch_size, generator)
    metrics: dict[str, float] = {}
    loss_sum, right, seen = 0.0, 0, 0
    run.network.train()
    for step, batch in enumerate(batches, start=1):
        rate = _learning_rate(config, epoch - 1 + (step - 1) / len(batches))
        index = batch.to(x.device)
        images = _normalise(augment(x[index], config.augment, generator), run.info)
        loss, correct = _step(run, images, y[index], rate)
        if not math.isfinite(loss):
            raise InputError(
                f"the loss is {loss} in epoch {epoch}, batch {step} of {len(batches)}; {_kept(epoch, out)}"
            )
        loss_sum, right, seen = loss_sum + loss * len(batch), right + correct, seen + len(batch)
        metrics = {"epoch": epoch, "loss": loss_sum / seen}
        if step == len(batches):
            metrics |= {"train_accuracy": right / seen, "learning_rate": rate, "seconds": time.perf_counter() - began}
        if progress is not None:
            progress(metrics | {"epochs": config.epochs, "batch": step, "batches": len(batches)})
    return metrics


def _step(run: _Run, images: Tensor, labels: Tensor, rate: float) -> tuple[float, int]:
    """One update of the weights, unless the loss is not finite; (loss, number of images classified rightly)."""
    logits = run.network(images)
    loss = functional.cross_entropy(logits, labels, label_smoothing=run.config.label_smoothing)
    value = loss.item()
    if math.isfinite(value):
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        run.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        run.optimizer.step()
    return value, int((logits.argmax(1) == labels).sum())


def _check_weights(network: SpikingNetwork, epoch: int, out: Path) -> None:
    for name, value in network.state_dict().items():
        if not torch.isfinite(value).all():
            raise InputError(f"{name} is no longer finite after epoch {epoch}; {_kept(epoch, out)}")


def _kept(epoch: int, out: Path) -> str:
    last = f"the checkpoint of epoch {epoch - 1} is kept at {out / CHECKPOINT}" if epoch > 1 else "nothing was saved"
    return f"{last}. Train again with a smaller learning rate"


def _learning_rate(config: TrainConfig, epochs_done: float) -> float:
    """Cosine decay: lr/2 (1 + cos(pi t / T)), t and T in epochs (Loshchilov and Hutter 2017, without restarts)."""
    return config.learning_rate / 2 * (1 + math.cos(math.pi * epochs_done / config.epochs))


def _generator(seed: int, epoch: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


def _batches(samples: int, size: int, generator: torch.Generator) -> list[Tensor]:
    """A random order cut into batches. A last batch of one sample is left out: it has no variance to normalise by."""
    batches = list(torch.split(torch.randperm(samples, generator=generator), size))
    return batches[:-1] if len(batches[-1]) == 1 else batches


def _normalise(x: Tensor, info: ModelInfo) -> Tensor:
    mean, std = (torch.tensor(values, device=x.device) for values in (info.input_mean, info.input_std))
    shape = (-1, 1, 1) if x.dim() == 4 else (-1,)
    return (x - mean.reshape(shape)) / std.reshape(shape)


def _optimizer(network: SpikingNetwork, config: TrainConfig) -> torch.optim.Optimizer:
    weights = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    groups = [{"params": weights, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.learning_rate)


def _check_same(saved: Any, given: Mapping[str, Any], path: Path) -> None:
    """That a checkpoint's configuration is the given one, the device aside."""
    before, now = _flat(saved), _flat(given)
    for name in sorted((before.keys() | now.keys()) - {"device"}):
        if before.get(name) != now.get(name):
            raise InputError(
                f"{path}: was trained with {name} {before.get(name)!r}, not {now.get(name)!r}; "
                "resume with the same options, or train without --resume"
            )


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(config, Mapping):
        return {prefix.rstrip("."): config}
    return {name: value for key, inner in config.items() for name, value in _flat(inner, f"{prefix}{key}.").items()}


def _history(entries: Any, epochs: int) -> list[dict[str, float]]:
    keys = {"epoch", "loss", "train_accuracy", "learning_rate", "seconds"}
    if not isinstance(entries, list) or len(entries) > epochs:
        raise ValueError("no list of epochs")
    for number, entry in enumerate(entries, start=1):
        if set(entry) != keys or entry["epoch"] != number or not all(math.isfinite(v) for v in entry.values()):
            raise ValueError(f"epoch {number} is not recorded as the trainer does")
    return [dict(entry) for entry in entries]


def _check_optimizer(optimizer: torch.optim.Optimizer) -> None:
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            fits = not isinstance(value, Tensor) or value.shape in (parameter.shape, torch.Size([]))
            if not fits or (isinstance(value, Tensor) and not torch.isfinite(value).all()):
                raise ValueError(f"{name} of the optimizer does not fit its weights")


def _device(config: TrainConfig) -> torch.device:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: this machine or this build of torch has none; choose cpu or auto")
    cuda = config.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


def _device_name(device: torch.device) -> str:
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu"


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    """Seeds torch for the initial weights, without a trace in the caller's random state; no search for fast kernels."""
    with torch.random.fork_rng(), torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        torch.manual_seed(seed)
        yield


def _write_metrics(out: Path, metrics: Mapping[str, Any]) -> None:
    with atomic_path(out / METRICS) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
