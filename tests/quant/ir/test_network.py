"""What follows from a network's populations and projections, against plain walks over them."""

from __future__ import annotations

import numpy as np
import small_networks
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.operators import Scale


@st.composite
def graphs(draw: st.DrawFn) -> IntegerNetwork:
    """Up to eight populations, any projections between them; those that lead back are recurrent."""
    size = draw(st.integers(1, 8))
    populations = [small_networks.population(f"n{i}", (1,)) for i in range(size)]
    number = st.integers(0, size - 1)
    links = draw(st.lists(st.tuples(number, number), max_size=16))
    projections = [
        Projection(f"n{a}", f"n{b}", (Scale(f"s{i}", np.ones(1, np.int64)),), delay=int(a >= b))
        for i, (a, b) in enumerate(links)
    ]
    return small_networks.network(populations, projections, 1)


@given(graphs())
@settings(max_examples=200)
def test_components_are_what_reaches_each_other_in_order(network: IntegerNetwork) -> None:
    names = [p.name for p in network.populations]
    reached = {name: {name} for name in names}
    for _ in names:
        for q in network.projections:
            for seen in reached.values():
                if q.source in seen:
                    seen.add(q.target)
    waiting = []
    for name in names:
        together = tuple(other for other in names if other in reached[name] and name in reached[other])
        if together not in waiting:
            waiting.append(together)
        cycle = len(together) > 1 or any(q.source == q.target == name for q in network.projections)
        assert network.recurrent_with(name) == (together if cycle else ())
    expected: list[tuple[str, ...]] = []
    while waiting:  # the first of those whose sources are done
        done = {name for component in expected for name in component}
        ready = next(c for c in waiting if all(q.source in done | set(c) for q in network.projections if q.target in c))
        waiting.remove(ready)
        expected.append(ready)
    assert network.components == tuple(expected)


@given(graphs())
def test_incoming_keeps_the_order_of_the_projections(network: IntegerNetwork) -> None:
    for p in network.populations:
        assert network.incoming[p.name] == tuple(q for q in network.projections if q.target == p.name)
