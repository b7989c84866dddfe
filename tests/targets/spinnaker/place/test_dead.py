"""The list of dead parts is a file of others: what it may hold ends in one message."""

import pytest

from inflor.converter.errors import InputError
from inflor.targets.spinnaker.place.machine import read_dead


def test_nesting_too_deep_to_read_is_refused(tmp_path):
    path = tmp_path / "dead.json"
    path.write_text('{"chips": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(InputError, match=r"dead\.json: is no JSON"):
        read_dead(path)
