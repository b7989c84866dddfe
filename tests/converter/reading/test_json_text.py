"""JSON as it may come from anywhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from inflor.converter.errors import InputError
from inflor.converter.reading.checksum import signed, verify_json
from inflor.converter.reading.json_text import parse_json, read_json
from inflor.converter.reading.limits import MAX_JSON

BAD = {
    '{"a": NaN}': "NaN is no number of JSON",
    '{"a": -Infinity}': "-Infinity is no number of JSON",
    '{"a": 1e999}': "beyond what a number holds",
    '{"a": 1, "a": 2}': "the key 'a' stands there twice",
    "[" * 100_000: "nested more than 64 deep",
    "[" * 70 + "]" * 70: "nested more than 64 deep",
    '{"a":' * 100_000: "nested more than 64 deep",
    "{": "Expecting",
    "9" * 5000: "beyond what a whole number holds",
    str(2**64): "beyond what a whole number holds",
    "[" + "0," * 2_000_001 + "0]": "more than 2000000 values",
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:20])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=BAD[text]):
        parse_json(text)


@pytest.mark.parametrize(
    "value", [{"a": [1, 2.5, None, True, "é", "\udcff", {"b": []}]}, [], "x", 3, 1e300, 2**64 - 1, -(2**63)]
)
def test_what_is(value: object) -> None:
    assert parse_json(json.dumps(value)) == value


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    os.mkfifo(tmp_path / "pipe.json")
    for content, message in ((b"", "is empty"), (b"[1]", "holds no JSON object"), (b"\xff{}", "is no JSON")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"a\.json: {message}.*name a verdict"):
            read_json(path, "a verdict")
    with path.open("wb") as file:
        file.truncate(MAX_JSON + 1)
    for name, message in (
        ("a.json", "at most 16 MiB"),
        (".", "is a folder"),
        ("no.json", "No such file"),
        ("pipe.json", "not a regular file"),
    ):
        with pytest.raises(InputError, match=message):
            read_json(tmp_path / name, "a verdict")


def test_what_was_changed_is_seen() -> None:
    plain = {"equal": True, "layers": [{"name": "n", "rate": 0.1}]}
    kept = signed(plain)
    assert verify_json(json.loads(json.dumps(kept)), "c.json") == plain
    assert verify_json(plain, "c.json") == plain  # of an earlier version
    assert verify_json({**kept, "layers": [{"name": "n", "rate": 0.1}], "equal": True}, "c.json") == plain
    whole = signed({"rate": 1.0, "many": [2.0, 3]})
    assert verify_json({**whole, "rate": 1, "many": [2, 3]}, "c.json") == {"rate": 1, "many": [2, 3]}  # as jq writes it
    with pytest.raises(InputError, match=r"c\.json: its content is not what its checksum says"):
        verify_json({**kept, "equal": False}, "c.json")
