"""Our networks, loaded by other frameworks from plain NIR: they fire the same spikes, or cannot, and we say why."""

from __future__ import annotations

import peers
import pytest
import torch
from peers import ours

from inflor.converter.primitives.base import primitive

pytestmark = pytest.mark.slow

CASES = [(name, case) for name in peers.NAMES if hasattr(peers.module(name), "load") for case in ours.GRAPHS]


@pytest.mark.parametrize(("name", "case"), CASES, ids=lambda value: value.replace(", ", "-").replace(" ", "-"))
def test_they_fire_the_same_spikes(name, case, tmp_path):
    if reason := peers.missing(name):
        pytest.skip(reason)
    peer, graph = peers.module(name), ours.GRAPHS[case]()
    ours.write(graph, tmp_path / "ours.nir", peer.DT)
    torch.manual_seed(0)
    x = 2 * torch.randn(12, 4, *graph.input_shapes["input"])
    neurons = [name for name, node in graph.nodes.items() if primitive(node).resets]
    if case in peer.CANNOT:
        with pytest.raises(Exception):  # noqa: B017, PT011 - each framework has its own
            peers.agreement(graph, x, peer.load(tmp_path / "ours.nir", x, neurons))
        return
    found = peers.agreement(graph, x, peer.load(tmp_path / "ours.nir", x, neurons))
    print(f"{peers.versions(name)}: {found.compared} compared, {found.fired} fired, {found.near} samples part near th")
    assert found.fired > 100
    assert found.near == 0
