"""JSON from anywhere, as what JSON is: finite numbers, every key once.

A text may hold halves of characters: names of files that are not Unicode are written so.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from typing import Any, NoReturn

from inflor.converter.errors import InputError, reason
from inflor.converter.reading.limits import MAX_DEPTH, MAX_JSON, MAX_VALUES
from inflor.converter.reading.paths import read_bytes

_DIGITS = 21


def read_json(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Args:
        what: the kind of file that is asked for, as in "name a report of inflor quantize".

    Raises:
        InputError: the file cannot be read or is too large, or `parse_json` refuses it; or it holds no object.
    """
    data = read_bytes(path, what, MAX_JSON)
    try:
        found = parse_json(data.decode("utf-8"))
    except ValueError as error:
        raise InputError(f"is no JSON ({reason(error)}); name {what}", path=path) from error
    if not isinstance(found, dict):
        raise InputError(f"holds no JSON object; name {what}", path=path)
    return found


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, too long or nested too deep, repeats a key, or holds a number that is not finite or
            beyond 64 bits.
    """
    if len(text) > MAX_JSON:
        raise ValueError(f"{len(text)} characters; at most {MAX_JSON} are read")
    if sum(map(text.count, "[{,:")) > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES} values")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
        )
    except RecursionError as error:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from error
    _check_depth(value)
    return value


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:80]!r} stands there twice")
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is beyond what a number holds")
    return number


def _whole(text: str) -> int:
    if len(text) > _DIGITS or not -(2**63) <= int(text) < 2**64:
        raise ValueError(f"{text[:40]} is beyond what a whole number holds")
    return int(text)


def _check_depth(value: Any) -> None:
    """Level by level: how deep Python itself would go depends on who calls."""
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        inner: list[Any] = []
        for entry in level:
            if isinstance(entry, dict | list):
                inner += entry.values() if isinstance(entry, dict) else entry
        level, depth = inner, depth + 1
