"""What a model file says about itself beside its weights: time, encoding, input scaling, classes, provenance.

It travels through every artifact. In a NIR file it stands in the graph's metadata under the key "inflor" as one JSON
string; in a checkpoint as plain data.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError, reason
from inflor.converter.reading.json_text import parse_json

METADATA_KEY = "inflor"
SCHEMA = 1
STAGES = ("float", "integer")
INTEGRATIONS = ("euler", "exponential")
MAX_TIMESTEPS = 1_000_000
RECTIFIED = "membrane_potential_rectifier"
"""Provenance of a network that was trained with one."""
FRAMES = "frames"
"""The encoding of a network that takes an input of its own at every step."""


def _version() -> str:
    try:
        return importlib.metadata.version("inflor")
    except importlib.metadata.PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


@dataclass(frozen=True)
class ModelInfo:
    """How a model is to be fed and read.

    timesteps: T, steps per sample. dt: length of a step in the units of the graph's time constants. encoding: "direct"
    feeds the analog image as input current at every step, "frames" takes an input of its own at every step, "" is not
    said. input_mean, input_std: per channel (or one value for all), in the data set's natural scale; the network's
    input is (x - mean) / std, computed by the host. stage: "float" or "integer". version: of inflor, which wrote it.
    provenance: plain data on where the model came from, e.g. {"made_from": "model.pt", "sha256": ...}. known: False
    when the file had no such metadata and these, but for a number of steps, are defaults.
    integration: "euler" or "exponential", see `inflor.converter.primitives.dynamics`. framework: whose conventions the
    graph was read by. says_timesteps: False where timesteps is assumed, and the data say how many there are.

    Raises:
        InputError: a value is out of its range or of the wrong type.
    """

    timesteps: int = 4
    dt: float = 1.0
    encoding: str = "direct"
    input_mean: tuple[float, ...] = (0.0,)
    input_std: tuple[float, ...] = (1.0,)
    class_names: tuple[str, ...] = ()
    dataset: str = ""
    architecture: str = ""
    stage: str = "float"
    version: str = field(default_factory=_version)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    known: bool = True
    integration: str = "euler"
    framework: str = ""
    says_timesteps: bool = True

    def __post_init__(self) -> None:
        if not _is_int(self.timesteps) or not 1 <= self.timesteps <= MAX_TIMESTEPS:
            raise InputError(f"timesteps is {self.timesteps!r}; give a whole number from 1 to {MAX_TIMESTEPS}")
        if not _is_number(self.dt) or self.dt <= 0:
            raise InputError(f"dt is {self.dt!r}; give a positive number")
        if self.integration not in INTEGRATIONS:
            raise InputError(f"integration is {self.integration!r}; it is one of {', '.join(INTEGRATIONS)}")
        for name in ("encoding", "dataset", "architecture", "version", "framework"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"{name} is {getattr(self, name)!r}; give a text")
        if self.stage not in STAGES:
            raise InputError(f"stage is {self.stage!r}; it is one of {', '.join(STAGES)}")
        self._check_scaling()
        if not isinstance(self.class_names, tuple) or not all(isinstance(name, str) for name in self.class_names):
            raise InputError(f"class_names is {self.class_names!r}; give a tuple of texts")
        if not isinstance(self.provenance, Mapping):
            raise InputError(f"provenance is {self.provenance!r}; give a mapping of plain data")

    def _check_scaling(self) -> None:
        for name in ("input_mean", "input_std"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values or not all(_is_number(value) for value in values):
                raise InputError(
                    f"{name} is {values!r}; give a tuple of finite numbers, one per channel or one for all"
                )
        if min(self.input_std) <= 0:
            raise InputError(f"input_std is {self.input_std!r}; every value must be above 0")
        lengths = {len(self.input_mean), len(self.input_std)} - {1}
        if len(lengths) > 1:
            raise InputError(f"input_mean has {len(self.input_mean)} values and input_std {len(self.input_std)}")

    @property
    def says_anything(self) -> bool:
        """Whether there is anything to be written of it."""
        return self.known or self.says_timesteps or self.stage == "integer"

    def as_dict(self) -> dict[str, Any]:
        """Only dicts, lists, texts and numbers, as JSON and `torch.load(weights_only=True)` take them."""
        plain: dict[str, Any] = {"schema": SCHEMA}
        if not self.known and self.stage == "float":  # what was assumed must not come back as what the file says
            said = {"timesteps": self.timesteps} if self.says_timesteps else {}
            return {**plain, "known": False, "version": self.version, **said}
        for entry in fields(self):
            value = getattr(self, entry.name)
            plain[entry.name] = list(value) if isinstance(value, tuple) else value
        plain["provenance"] = dict(self.provenance)
        del plain["known"], plain["says_timesteps"]
        if not self.says_timesteps:
            del plain["timesteps"]
        return plain

    def to_json(self) -> str:
        """One line, keys sorted: the same information gives the same text.

        Raises:
            InputError: `from_json` would not read it, as where a number has more than 64 bits.
        """
        try:
            text = json.dumps(self.as_dict(), sort_keys=True, allow_nan=False)
            parse_json(text)
        except ValueError as error:
            raise InputError(f"its metadata cannot be written ({reason(error)})") from error
        return text

    @classmethod
    def from_plain(cls, plain: object, source: str) -> ModelInfo:
        """The inverse of `as_dict`; `source` names the file in messages. Unknown keys are ignored.

        Raises:
            InputError: not what `as_dict` makes, or made by a later schema.
        """
        if not isinstance(plain, Mapping):
            raise InputError(f"{source}: its inflor metadata are not a mapping")
        if plain.get("schema") != SCHEMA:
            raise InputError(
                f"{source}: its inflor metadata have schema {plain.get('schema')!r}, this version reads {SCHEMA}; "
                "update inflor or write the file again"
            )
        values: dict[str, Any] = {}
        for entry in fields(cls):
            if entry.name not in ("known", "says_timesteps") and entry.name in plain:
                value = plain[entry.name]
                values[entry.name] = tuple(value) if isinstance(value, list) else value
        values["says_timesteps"] = "timesteps" in plain
        values["known"] = plain.get("known", True) is True
        try:
            return cls(**values)
        except InputError as error:
            raise InputError(f"{source}: its inflor metadata are damaged: {error}") from error

    @classmethod
    def from_json(cls, text: str, source: str) -> ModelInfo:
        """The inverse of `to_json`; `source` names the file in messages.

        Raises:
            InputError: not JSON, or not what `to_json` writes.
        """
        try:
            plain = parse_json(text)
        except ValueError as error:
            raise InputError(f"{source}: its inflor metadata are not JSON ({reason(error)})") from error
        return cls.from_plain(plain, source)

    def normalize(self, x: npt.NDArray[Any], channel_axis: int | None = None) -> npt.NDArray[np.float32]:
        """(x - mean) / std in float32. x: [N, C, H, W] or [N, F] in natural scale, or with time [N, T, ...].

        Channels stand at `channel_axis`; None means behind the samples, and behind the steps of frames over time.

        Raises:
            InputError: the scaling has a value per channel and x another number of channels.
        """
        mean = np.asarray(self.input_mean, np.float32)
        std = np.asarray(self.input_std, np.float32)
        x = np.asarray(x, np.float32)
        count = max(mean.size, std.size)
        if channel_axis is None:
            channel_axis = 2 if self.encoding == FRAMES else 1
        if count == 1:
            return (x - mean[0]) / std[0]
        if x.ndim <= channel_axis or x.shape[channel_axis] != count:
            raise InputError(
                f"the model scales {count} channels, but the data of shape {list(x.shape)} do not have {count} "
                f"at dimension {channel_axis}; give data of the shape that the model was trained on"
            )
        shape = [1] * x.ndim
        shape[channel_axis] = -1
        return (x - mean.reshape(shape)) / std.reshape(shape)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond float64
        return False
