"""What a training is to do, as plain data, and what usually works for a data set and a network."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from inflor.converter.datasets.registry import named
from inflor.converter.errors import InputError
from inflor.converter.train.augment import Augment
from inflor.converter.train.layer import is_whole
from inflor.converter.train.networks import NETWORKS
from inflor.converter.train.neurons import NeuronConfig

Optimizer = Literal["sgd", "adam", "adamw"]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What one training is to do. Everything here but the device decides the weights, together with the data.

    Attributes:
        network: a name of `NETWORKS`.
        channels: its base width; None for the usual one.
        timesteps: T, steps per sample.
        neuron: how the neurons behave.
        epochs: passes over the train split.
        batch_size: samples per update of the weights.
        optimizer: "sgd" (with `momentum`), "adam" or "adamw".
        learning_rate: at the start; it falls to 0 along a cosine over all steps.
        momentum: of "sgd".
        weight_decay: of the weights of conv and linear layers only.
        label_smoothing: 0 to below 1.
        augment: "none", "shift" (by 1 pixel) or "crop_flip" (by 4 pixels, and mirrored).
        seed: of everything random.
        device: "cpu", "cuda", or "auto" for CUDA where there is one.

    Raises:
        InputError: a value is outside its range; the message names it.
    """

    network: str = "convnet"
    channels: int | None = None
    timesteps: int = 4
    neuron: NeuronConfig = field(default_factory=NeuronConfig)
    epochs: int = 30
    batch_size: int = 128
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    augment: Augment = "none"
    seed: int = 0
    device: Device = "auto"

    def __post_init__(self) -> None:
        choices: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("optimizer", get_args(Optimizer)),
            ("augment", get_args(Augment)),
            ("device", get_args(Device)),
        )
        if self.network not in NETWORKS:
            raise InputError(f"unknown network {self.network!r}; known are {', '.join(NETWORKS)}")
        for name, known in choices:
            if getattr(self, name) not in known:
                raise InputError(f"`{name}` {getattr(self, name)!r}: choose one of {', '.join(known)}", option=name)
        for name, least in (("timesteps", 1), ("epochs", 1), ("batch_size", 2), ("seed", 0)):
            if not is_whole(getattr(self, name), least):
                text = f"`{name}` {getattr(self, name)!r}: must be a whole number of at least {least}"
                raise InputError(text, option=name)
        if self.channels is not None and not is_whole(self.channels, 1):
            text = f"`channels` {self.channels!r}: must be a whole number of at least 1"
            raise InputError(text, option="channels")
        ranges = (("learning_rate", math.inf), ("weight_decay", math.inf), ("momentum", 1.0), ("label_smoothing", 1.0))
        for name, end in ranges:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < end:
                raise InputError(f"`{name}` {value!r}: must be a number from 0 to below {end}", option=name)
        if self.learning_rate == 0:
            raise InputError("`learning_rate` 0 would not train; give a number above 0", option="learning_rate")

    def as_dict(self) -> dict[str, Any]:
        """Return nested dicts of numbers and texts, as JSON takes them."""
        return dataclasses.asdict(self)


def default_config(dataset_name: str, network: str, **overrides: Any) -> TrainConfig:
    """Return settings that train a network well on a data set.

    Args:
        dataset_name: of a data set that says what works for it; any other takes the defaults of `TrainConfig`.
        network: a name of `NETWORKS`.
        overrides: settings that replace these.

    Raises:
        InputError: an unknown network, or an override out of range.
    """
    values: dict[str, Any] = {"network": network}
    with contextlib.suppress(InputError):  # a user's file may have the name of a data set that is broken
        if (source := named(dataset_name)) is not None:
            values |= {**source.training, **source.training_of.get(network, {})}
    return TrainConfig(**(values | overrides))
