"""`metrics.json`: how a training went, beside the model that it made."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inflor.converter.errors import InputError
from inflor.converter.files import atomic_path
from inflor.converter.reading.json_text import read_json
from inflor.converter.reading.paths import sha256

MODEL, METRICS = "model.pt", "metrics.json"
_DIGEST = "model_sha256"


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write them to a folder.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_path(folder / METRICS) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def tie(model: Path) -> dict[str, str]:
    """What ties the metrics of a finished training to the model that it made."""
    return {_DIGEST: sha256(model)}


def note_on(model: str | os.PathLike[str]) -> str | None:
    """What the metrics beside a model say of another one: of a training that was begun in its folder since.

    Returns:
        A sentence; None where they are its own, say nothing, or are not there.
    """
    if Path(model).name != MODEL:  # a checkpoint is of the training under way
        return None
    try:
        metrics = read_json(Path(model).parent / METRICS, "the metrics of a training")
        digest = sha256(model)
    except InputError:
        return None
    if metrics.get("finished") is False:
        return f"{METRICS} beside it is of a training that has not finished; this is the model of an earlier one."
    if metrics.get(_DIGEST, digest) != digest:
        return f"{METRICS} beside it is of another model: their digests differ."
    return None
