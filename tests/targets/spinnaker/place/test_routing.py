"""Machines, trees and tables."""

from __future__ import annotations

import itertools
import json
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.targets.spinnaker.limits import limits
from inflor.targets.spinnaker.place.keys import FULL
from inflor.targets.spinnaker.place.machine import CUT_OFF, Dead, make_machine, read_dead
from inflor.targets.spinnaker.place.routing import core_bit, hops, longest_dimension_first
from inflor.targets.spinnaker.place.tables import compress, overlaps, table, verify
from inflor.targets.spinnaker.simulate.packets import follow

LIMITS = limits("spinnaker1")


def breadth_first(machine, source):
    distance, queue = {source: 0}, deque([source])
    while queue:
        chip = queue.popleft()
        for neighbour in machine.neighbours[chip]:
            if neighbour is not None and neighbour not in distance:
                distance[neighbour] = distance[chip] + 1
                queue.append(neighbour)
    return distance


@pytest.mark.parametrize(("boards", "chips"), [(1, 48), (3, 144), (6, 288)])
def test_the_machine_is_a_mesh_of_whole_boards(boards, chips):
    machine = make_machine(boards, LIMITS)
    assert len(machine.chips) == chips
    assert sum(len(c) for c in machine.cores.values()) == 16 * chips - boards
    for chip in machine.chips:
        for link, other in enumerate(machine.neighbours[chip]):
            if other is not None:
                assert machine.neighbours[other][(link + 3) % 6] == chip
            else:
                assert boards == 1
    source = machine.chips[7]
    expected = breadth_first(machine, source)
    found = machine.distance[machine.index[source]]
    if boards > 1:  # on one board, the shortest way in a line may leave the hexagon
        assert {c: int(found[i]) for i, c in enumerate(machine.chips)} == expected
    for chip in machine.chips:
        assert len(longest_dimension_first(machine, source, chip)) == found[machine.index[chip]]


@settings(max_examples=25)
@given(st.data())
def test_distances_are_those_round_what_is_dead(data):
    boards = data.draw(st.sampled_from([1, 3]))
    chips = st.sampled_from(make_machine(boards, LIMITS).chips)
    dead = Dead(
        frozenset(data.draw(st.sets(chips, max_size=9))),
        frozenset(),
        frozenset((*c, link) for c, link in data.draw(st.sets(st.tuples(chips, st.integers(0, 5)), max_size=90))),
    )
    machine = make_machine(boards, LIMITS, dead)
    source = data.draw(st.sampled_from(machine.chips))
    found = machine.distance[machine.index[source]]
    expected = breadth_first(machine, source)
    assert {c: int(found[i]) for i, c in enumerate(machine.chips)} == {
        c: expected.get(c, CUT_OFF) for c in machine.chips
    }


@settings(max_examples=60)
@given(st.data())
def test_trees_reach_exactly_their_targets_round_what_is_dead(data):
    boards = data.draw(st.sampled_from([1, 3]))
    whole = make_machine(boards, LIMITS)
    chips = st.sampled_from(whole.chips)
    dead = Dead(
        frozenset(data.draw(st.sets(chips, max_size=6))),
        frozenset(),
        frozenset((*c, link) for c, link in data.draw(st.sets(st.tuples(chips, st.integers(0, 5)), max_size=40))),
    )
    machine = make_machine(boards, LIMITS, dead)
    source = data.draw(st.sampled_from(machine.chips))
    alive = breadth_first(machine, source)
    targets = data.draw(st.sets(st.sampled_from(sorted(alive)), min_size=1, max_size=25))
    bits = {chip: core_bit(3) | core_bit(9) for chip in targets}
    made = hops(machine, source, bits)
    key, mask = 0x4500, FULL ^ 0xFF
    rows = {h.chip: table([(key, mask, h.route, -1 if h.entered is None else h.entered)]) for h in made}
    assert len(rows) == len(made)  # no chip twice: a tree
    ways = follow(machine, rows, [(0, key, mask, source)])
    assert sorted((d.chip, d.p) for d in ways.deliveries) == sorted((c, p) for c in targets for p in (3, 9))
    assert not ways.lost
    assert not ways.circulating
    assert sum(len(b) for b in ways.links.values()) == len(made) - 1
    short = {chip: compress(t, 1023) for chip, t in rows.items()}
    again = follow(machine, short, [(0, key, mask, source)])
    assert {(d.chip, d.p) for d in again.deliveries} == {(d.chip, d.p) for d in ways.deliveries}


def test_a_chip_without_a_way_is_refused():
    dead = Dead(links=frozenset((4, 4, link) for link in range(6)))
    machine = make_machine(1, LIMITS, dead)
    with pytest.raises(InputError, match=r"no way to chip \(4, 4\)"):
        hops(machine, (0, 0), {(4, 4): core_bit(3)})


def first_match(entries, key):
    for k, m, r in zip(entries.key.tolist(), entries.mask.tolist(), entries.route.tolist(), strict=True):
        if key & m == k:
            return r
    return None


@st.composite
def small_tables(draw):
    """Aligned blocks over keys of 7 bits, without overlap, of few routes, some of them what the default does."""
    rows, at = [], 0
    while at < 128:
        size = 1 << draw(st.integers(0, 3))
        at = -(-at // size) * size
        if at >= 128:
            break
        if draw(st.integers(0, 3)):
            entered = draw(st.sampled_from([-1, 0, 3]))
            rows.append((at, FULL ^ (size - 1), draw(st.sampled_from([1, 8, 64, 65])), entered))
        at += size
    return table(rows)


@settings(max_examples=150)
@given(small_tables(), st.integers(1, 12))
def test_compressed_tables_route_every_key_as_before(original, limit):
    short = compress(original, limit)
    assert len(short) <= len(original)
    assert not overlaps(original)
    assert not verify((0, 0), original, short)
    for k, m, r, entered in zip(
        *(getattr(original, n).tolist() for n in ("key", "mask", "route", "entered")), strict=True
    ):
        for key in range(k, k + (FULL ^ m) + 1):
            got = first_match(short, key)
            assert got == r or (got is None and entered >= 0 and r == 1 << ((entered + 3) % 6))


@settings(max_examples=100)
@given(small_tables(), st.data())
def test_verify_says_what_a_search_over_all_keys_says(original, data):
    """A table with one bit changed anywhere: verify finds fault exactly where some key goes another way."""
    short = compress(original, data.draw(st.integers(1, 12)))
    if not len(short):
        return
    name = data.draw(st.sampled_from(["key", "mask", "route"]))
    entry, bit = data.draw(st.integers(0, len(short) - 1)), data.draw(st.integers(0, 7))
    values = getattr(short, name).copy()
    values[entry] ^= 1 << bit
    mutant = replace(short, **{name: values})
    if name != "route":  # a key bit outside its mask never matches, on the chip and here
        kept = (mutant.key & ~mutant.mask) == 0
        mutant = mutant.take(kept)
    wrong = set()
    default = original.default
    for i in range(len(original)):
        k, m = int(original.key[i]), int(original.mask[i])
        for key in range(k, k + (FULL ^ m) + 1):
            got = first_match(mutant, key)
            if got != int(original.route[i]) and not (got is None and default[i]):
                wrong.add(key)
    found = verify((0, 0), original, mutant)
    named = set(itertools.chain.from_iterable(range(d.key, d.key + (FULL ^ d.mask) + 1) for d in found if d.mask >= 0))
    contiguous = all((FULL ^ d.mask) & ((FULL ^ d.mask) + 1) == 0 for d in found)
    assert bool(found) == bool(wrong)
    if contiguous:
        assert named == wrong


def test_ordered_compression_goes_below_the_limit():
    """2,000 entries that alternate between two routes at random keys need order to become few."""
    rng = np.random.default_rng(2)
    keys = rng.permutation(1 << 14)[:2000].astype(np.int64) << 8
    rows = [
        (int(k), FULL ^ 0xFF, 64 if i % 20 == 0 else 1 << int(rng.integers(0, 3)), 5)
        for i, k in enumerate(np.sort(keys))
    ]
    original = table(rows)
    short = compress(original, 1023)
    assert len(short) <= 1023
    assert not verify((0, 0), original, short)


def test_dead_parts_are_read(tmp_path):
    path = tmp_path / "dead.json"
    path.write_text(json.dumps({"chips": [[1, 1]], "links": [[0, 0, 2]], "cores": [[0, 0, 5]]}))
    machine = make_machine(1, LIMITS, read_dead(path))
    assert (1, 1) not in machine.cores
    assert machine.neighbours[(0, 0)] == ((1, 0), None, None, None, None, None)
    assert machine.neighbours[(0, 1)][5] is None
    assert 5 not in machine.cores[(0, 0)]
    for bad in ("{", "[]", '{"chips": [[1]]}', '{"links": [[0, 0, 6]]}', '{"chip": []}', '{"cores": [[0, 0, true]]}'):
        path.write_text(bad)
        with pytest.raises(InputError, match=r"dead\.json"):
            read_dead(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_dead(tmp_path / "none.json")
