"""Published limits of chips, as they stand in `hardware.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).with_name("hardware.yaml")


@cache
def published(chip: str) -> Mapping[str, Mapping[str, Any]]:
    """The limits of one chip by name; each has a value, or a note of what is known, and its source."""
    with DATA.open(encoding="utf-8") as file:
        data: dict[str, dict[str, Any]] = yaml.safe_load(file)["limits"]
    return data[chip]
