"""What is said of populations that never or always fire, and of potentials that saturated."""

from __future__ import annotations

from inflor.targets.record.remarks import CAUSES, on_activity


def test_lines() -> None:
    assert on_activity({"a": 0.5, "b": 0.01}) == []
    assert on_activity({"a": 0.0, "b": 0.3}) == [f"population 'a' never fires; {CAUSES}"]
    silent, always = on_activity({"a": 0.0, "b": 0.0, "c": 1.0}, answer="b")
    first = "so that every prediction is the first class"
    assert silent == f"each of the populations 'a', 'b' never fires, {first}; {CAUSES}"
    assert always == f"population 'c' fires at every step; {CAUSES}"
    assert "'p3' and 6 more" in on_activity({f"p{i}": 0.0 for i in range(10)})[0]
