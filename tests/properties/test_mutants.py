"""Mutated files end in success or in one clear error; `tests/fuzz.py` runs thousands of the same."""

from __future__ import annotations

import random

import mutants
import pytest


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return mutants.seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_mutants_are_read_or_refused(seeds, tmp_path, first):
    results = set()
    for number in range(first, first + 50):
        draw = random.Random(number)
        mutants.mutate(draw.choice(seeds), tmp_path / "mutant.nir", draw)
        try:
            results.add(mutants.read_and_run(tmp_path / "mutant.nir"))
        except Exception as error:
            raise AssertionError(f"mutant {number} is at fault: python tests/fuzz.py 1 {number}") from error
    assert {"refused", "run"} <= results


def test_the_files_that_mutants_are_made_of_are_sound(seeds):
    assert len(seeds) == 6
    for seed in seeds:
        assert mutants.read_and_run(seed) in ("run", "integer") or "nested" in seed.name
