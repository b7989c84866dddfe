"""The state of a training between two epochs: made fresh, or restored from a checkpoint that is checked first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inflor.converter.datasets.dataset import Dataset
from inflor.converter.errors import InputError, reason
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.checkpoint import load_checkpoint
from inflor.converter.train.config import TrainConfig
from inflor.converter.train.networks import build

CHECKPOINT = "checkpoint.pt"
AFRESH = "train without `resume`"


@dataclass(kw_only=True)
class TrainingRun:
    """A training between two epochs.

    Attributes:
        config: what it is to do.
        network: with its present weights.
        optimizer: with its present state.
        info: what the finished model will say of itself.
        history: what is reported of each epoch so far, one entry an epoch.
    """

    config: TrainConfig
    network: SpikingNetwork
    optimizer: torch.optim.Optimizer
    info: ModelInfo
    history: list[dict[str, float]]

    @classmethod
    def fresh(cls, dataset: Dataset, config: TrainConfig, device: torch.device) -> TrainingRun:
        """Make a training before its first epoch, with weights drawn from torch's global generator.

        Raises:
            InputError: the network or the augmentation does not fit the data, or there is too little of it.
        """
        if len(dataset.x_train) < 2:
            raise InputError(f"{dataset.name}: has {len(dataset.x_train)} training sample; at least 2 are needed")
        architecture = build(config.network, dataset.shape, dataset.classes, config.channels)
        if config.augment != "none" and len(dataset.shape) != 3:
            text = f"`augment` {config.augment} needs images, but samples have shape {dataset.shape}"
            raise InputError(text, option="augment", mend="choose `augment='none'`")
        network = SpikingNetwork(architecture, config.neuron, config.timesteps).to(device)
        info = ModelInfo(
            timesteps=config.timesteps,
            input_mean=dataset.mean,
            input_std=dataset.std,
            class_names=dataset.class_names,
            dataset=dataset.name,
            architecture=config.network,
        )
        return cls(config=config, network=network, optimizer=_optimizer(network, config), info=info, history=[])

    @classmethod
    def restored(cls, dataset: Dataset, config: TrainConfig, out: Path, device: torch.device) -> TrainingRun:
        """Restore a training from the checkpoint in the folder `out`.

        Raises:
            InputError: there is none, it is damaged, or it comes from other settings or data; the message names which.
        """
        path = out / CHECKPOINT
        if not path.is_file():
            raise InputError("there is nothing to resume; train without `resume` first", path=path, option="resume")
        network, _, state = load_checkpoint(path)
        run = cls.fresh(dataset, config, device)
        if state is None or set(state) != {"config", "data", "history", "optimizer"}:
            raise InputError("is a finished model, no checkpoint to resume", path=path)
        _check_same(state["config"], config.as_dict(), path)
        if state["data"] != dataset.fingerprint():
            raise InputError(f"was trained on other data than {dataset.name} holds now", path=path, mend=AFRESH)
        if network.architecture != run.network.architecture:
            raise InputError(f"holds another network than {config.network} is now", path=path, mend=AFRESH)
        run.network.load_state_dict(network.state_dict())
        try:
            run.optimizer.load_state_dict(state["optimizer"])
            _check_optimizer(run.optimizer)
            run.history.extend(_history(state["history"], config.epochs))
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"its training state is damaged ({reason(error)})", path=path, mend=AFRESH) from error
        return run

    def state(self, dataset: Dataset) -> dict[str, Any]:
        """Return what the checkpoint needs beside the network."""
        return {
            "config": self.config.as_dict(),
            "data": dataset.fingerprint(),
            "history": self.history,
            "optimizer": self.optimizer.state_dict(),
        }


def _optimizer(network: SpikingNetwork, config: TrainConfig) -> torch.optim.Optimizer:
    weights = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    groups = [{"params": weights, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.learning_rate)


def _check_same(saved: Any, given: Mapping[str, Any], path: Path) -> None:
    """Check that a checkpoint's configuration is the given one, the device aside."""
    before, now = _flat(saved), _flat(given)
    for name in sorted((before.keys() | now.keys()) - {"device"}):
        if before.get(name) != now.get(name):
            raise InputError(
                f"was trained with {name} {before.get(name)!r}, not {now.get(name)!r}",
                path=path,
                option=name,
                mend=f"resume with the same options, or {AFRESH}",
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
