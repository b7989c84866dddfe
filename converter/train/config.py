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


@dataclass(frozen=True)
class TrainConfig:
    """One training. Everything here but the device decides the weights, together with the data.

    network: a name of `NETWORKS`. channels: its base width, None for the usual. timesteps: T. optimizer: "sgd" (with
    `momentum`), "adam" or "adamw"; its learning rate falls from `learning_rate` to 0 along a cosine over all steps.
    weight_decay: of the weights of conv and linear layers only. label_smoothing: 0 to below 1.
    augment: "none", "shift" (by 1 pixel) or "crop_flip". device: "auto" takes CUDA where there is one.

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
            ("network", tuple(NETWORKS)),
            ("optimizer", get_args(Optimizer)),
            ("augment", get_args(Augment)),
            ("device", get_args(Device)),
        )
        for name, known in choices:
            if getattr(self, name) not in known:
                raise InputError(f"{name} {getattr(self, name)!r}: choose one of {', '.join(known)}")
        for name, least in (("timesteps", 1), ("epochs", 1), ("batch_size", 2), ("seed", 0)):
            if not is_whole(getattr(self, name), least):
                raise InputError(f"{name} {getattr(self, name)!r}: must be a whole number of at least {least}")
        if self.channels is not None and not is_whole(self.channels, 1):
            raise InputError(f"channels {self.channels!r}: must be a whole number of at least 1")
        ranges = (("learning_rate", math.inf), ("weight_decay", math.inf), ("momentum", 1.0), ("label_smoothing", 1.0))
        for name, end in ranges:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < end:
                raise InputError(f"{name} {value!r}: must be a number from 0 to below {end}")
        if self.learning_rate == 0:
            raise InputError("learning_rate 0 would not train; give a number above 0")

    def to_plain(self) -> dict[str, Any]:
        """Nested dicts of numbers and texts, as JSON takes them."""
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
