"""Published limits of chips, as they stand in `hardware.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).with_name("hardware.yaml")


@cache
def data() -> Mapping[str, Any]:
    """The whole file."""
    with DATA.open(encoding="utf-8") as file:
        return dict(yaml.safe_load(file))


def published(chip: str) -> Mapping[str, Mapping[str, Any]]:
    """The limits of one chip by name; each has a value, or a note of what is known, and its source.

    A chip of another distribution has none here.
    """
    limits: Mapping[str, Mapping[str, Any]] = data()["limits"].get(chip, {})
    return limits
