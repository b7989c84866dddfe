"""What a report takes for a verdict: what inflor check --json prints, and nothing that only looks like it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inflor.converter.errors import InputError
from inflor.page.gather import verdict
from inflor.targets.equivalence.compare import Equivalence, Layer, Mismatch, Side

LAYERS = (
    Layer(name="n1", depth=1, compared=100, mismatches=0, fired=7),
    Layer(name="out", depth=2, compared=20, mismatches=0, fired=None),
)
EQUAL = Equivalence(targets=("cpu", "loihi"), samples=3, compared_spikes=100, mismatches=0, layers=LAYERS)
FIRST = Mismatch(
    population="n1",
    depth=1,
    sample=2,
    timestep=0,
    neuron=(4,),
    sides=(
        Side(target="cpu", value=1, a=-5, v=-7, threshold=3, due=1),
        Side(target="loihi", value=0, a=5, v=7, threshold=None, due=1, a_seen=5, v_seen=7),
    ),
)
DIFFERENT = Equivalence(
    targets=("cpu", "loihi"),
    samples=3,
    compared_spikes=100,
    mismatches=2,
    layers=(Layer(name="n1", depth=1, compared=100, mismatches=2, fired=7), LAYERS[1]),
    first_mismatch=FIRST,
)


def test_what_check_prints() -> None:
    equal, different = verdict(EQUAL.as_dict(), "here"), verdict(DIFFERENT.as_dict(), "here")
    assert (equal.equal, equal.targets, equal.samples, equal.compared, equal.mismatches) == (
        True,
        ("cpu", "loihi"),
        3,
        100,
        0,
    )
    assert equal.first is None
    assert (different.equal, different.mismatches) == (False, 2)
    assert [(layer["name"], layer["agreement"]) for layer in different.layers] == [("n1", 0.98), ("out", 1.0)]
    assert different.first is not None
    assert different.first["neuron"] == [4]
    assert [side["threshold"] for side in different.first["sides"]] == [3, None]


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "equal as text": ({"equal": "false"}, "neither true nor false"),
    "equal as number": ({"equal": 1}, "neither true nor false"),
    "equal with mismatches": ({"mismatches": 500}, "contradicts itself: equal True, with 500 mismatches"),
    "equal with a first mismatch": ({"first_mismatch": {}}, "contradicts itself"),
    "different without mismatches": ({"equal": False}, "contradicts itself"),
    "equal with a layer that differs": (
        {"layers": [{"name": "n1", "compared": 10, "mismatches": 3, "agreement": 1.0}]},
        "contradicts itself",
    ),
    "no targets": ({"targets": []}, "two or more targets"),
    "one target": ({"targets": ["cpu"]}, "two or more targets"),
    "a target's letters": ({"targets": "cpu"}, "'targets' is 'cpu', which is no list"),
    "numbers as targets": ({"targets": [1, 2]}, "two or more targets"),
    "endless samples": ({"samples": math.inf}, "'samples' is inf"),
    "no samples": ({"samples": 0}, "'samples' is 0"),
    "half a sample": ({"samples": 1.5}, "'samples' is 1.5"),
    "samples as truth": ({"samples": True}, "'samples' is True"),
    "negative spikes": ({"compared_spikes": -5}, "'compared_spikes' is -5"),
    "negative mismatches": ({"mismatches": -1}, "'mismatches' is -1"),
    "layers as text": ({"layers": "n1"}, "'layers' is 'n1', which is no list"),
    "a layer as text": ({"layers": ["n1"]}, "holds 'n1' under 'layers'"),
    "a layer without a name": ({"layers": [{"compared": 1, "mismatches": 0}]}, "has no 'name'"),
    "a layer of nothing": ({"layers": [{"name": "n1", "compared": 0, "mismatches": 0}]}, "'compared' is 0"),
    "more than there are": ({"layers": [{"name": "n1", "compared": 1, "mismatches": 2}]}, "2 mismatches in 1 compared"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_only_looks_like_it(change: str) -> None:
    changes, message = CHANGES[change]
    with pytest.raises(InputError) as caught:
        verdict({**EQUAL.as_dict(), **changes}, "Read from v.json", "some/v.json")
    assert str(caught.value).startswith("some/v.json: is not what inflor check --json prints: it ")
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["equal", "targets", "samples", "compared_spikes", "mismatches", "layers"])
def test_what_is_missing_is_named(key: str) -> None:
    found = EQUAL.as_dict()
    del found[key]
    with pytest.raises(InputError, match=f"Read from v.json: .* it has no '{key}'"):
        verdict(found, "Read from v.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"sides": 5},
        {"sides": [{}]},
        {"neuron": [-1]},
        {"neuron": "4"},
        {"depth": None},
        {"population": 4},
        {"sample": 0.5},
    ],
)
def test_a_damaged_first_mismatch(changes: dict[str, Any]) -> None:
    found = DIFFERENT.as_dict()
    with pytest.raises(InputError, match="is not what inflor check"):
        verdict({**found, "first_mismatch": {**found["first_mismatch"], **changes}}, "v.json")
