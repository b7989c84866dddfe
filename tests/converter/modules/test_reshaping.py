"""Axes after a view, against tensors whose elements say which sample and which step they are of."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from inflor.converter.modules.reshaping import viewed

STEPS, BATCH = 4, 5
LEADS = {
    ("batch",): (BATCH,),
    ("time", "batch"): (STEPS, BATCH),
    ("batch", "time"): (BATCH, STEPS),
    ("joined",): (STEPS * BATCH,),
    ("joined_second",): (BATCH * STEPS,),
}


def marked(lead: tuple[str, ...], shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of every element, the sample and the step that it is of."""
    sizes = LEADS[lead]
    sample, step = torch.arange(BATCH), torch.arange(STEPS if "time" in lead or "joined" in lead[0] else 1)
    first_time = torch.cartesian_prod(step, sample)
    first_batch = torch.cartesian_prod(sample, step)
    both = first_batch[:, [1, 0]] if lead[0] in ("joined_second",) or lead[:1] == ("batch",) else first_time
    ones = (1,) * len(shape)
    return tuple(part.reshape(*sizes, *ones).expand(*sizes, *shape) for part in (both[:, 1], both[:, 0]))


@st.composite
def views(draw):
    lead = draw(st.sampled_from(list(LEADS)))
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3]), max_size=3)))
    before = (*LEADS[lead], *shape)
    factors = [n for size in before for n in _primes(size)]
    order = factors if draw(st.booleans()) else draw(st.permutations(factors))
    after, i = [], 0
    while i < len(order):
        take = draw(st.integers(1, 3))
        after.append(math.prod(order[i : i + take]))
        i += take
        if draw(st.integers(0, 4)) == 0:
            after.append(1)
    return lead, shape, tuple(after) or (1,)


def _primes(n: int) -> list[int]:
    return [p for p in (2, 3, 5) for _ in range(8) if n % p == 0 and (n := n // p) is not None]


@given(views())
def test_an_axis_is_what_it_is_called(drawn):
    lead, shape, after = drawn
    axes = (*lead, *([""] * len(shape)))
    steps = 1 if lead == ("batch",) else STEPS
    found = viewed(axes, (*LEADS[lead], *shape), after, steps)
    if found is None:
        return
    samples, times = (part.reshape(after) for part in marked(lead, shape))
    for place, axis in enumerate(found):
        rows = [part.movedim(place, 0).reshape(after[place], -1) for part in (samples, times)]
        varies = [bool((row != row[:1]).any()) for row in rows]
        if axis == "":
            assert varies == [False, False]
        elif axis == "batch":
            assert rows[0].eq(torch.arange(BATCH).unsqueeze(1)).all()
            assert not varies[1]
        elif axis == "time":
            assert rows[1].eq(torch.arange(len(rows[1])).unsqueeze(1)).all()
            assert not varies[0]
        else:
            joined = torch.cartesian_prod(torch.arange(STEPS), torch.arange(BATCH))
            if axis == "joined_second":
                joined = torch.cartesian_prod(torch.arange(BATCH), torch.arange(STEPS))[:, [1, 0]]
            assert rows[1].eq(joined[:, :1]).all()
            assert rows[0].eq(joined[:, 1:]).all()


def test_usual_views():
    def see(before, shape, after, steps=4):
        return viewed(before, shape, after, steps)

    assert see(("time", "batch", "", ""), (4, 5, 2, 3), (20, 2, 3)) == ("joined", "", "")
    assert see(("joined", "", ""), (20, 2, 3), (4, 5, 6)) == ("time", "batch", "")
    assert see(("joined", ""), (20, 6), (5, 4, 6)) is None
    assert see(("joined_second", ""), (20, 6), (5, 4, 6)) == ("batch", "time", "")
    assert see(("batch", "", "", ""), (5, 2, 3, 1), (5, 6), 1) == ("batch", "")
    assert see(("batch", ""), (5, 6), (1, 5, 6), 1) == ("time", "batch", "")
    assert see(("batch", ""), (5, 6), (5, 1, 2, 3), 1) == ("batch", "", "", "")
    assert see(("batch", ""), (5, 6), (30,), 1) is None
    assert see(("batch", ""), (5, 6), (6, 5), 1) is None
    assert see(("time", "batch", ""), (4, 5, 6), (4, 30)) is None
