"""What other frameworks export, read by their conventions: every spike as in their own forward pass."""

from __future__ import annotations

import nir
import peers
import pytest

from inflor.converter.nir import file as nir_file
from inflor.converter.passes.conventions import Conventions

pytestmark = pytest.mark.slow

CASES = [(name, case) for name in peers.NAMES for case in peers.module(name).EXPORTS]


@pytest.mark.parametrize(("name", "case"), CASES, ids=lambda value: value.replace(", ", "-").replace(" ", "-"))
def test_every_spike_is_theirs(name, case, tmp_path, record_property):
    if reason := peers.missing(name):
        pytest.skip(reason)
    made = peers.module(name).EXPORTS[case]()
    nir.write(tmp_path / "theirs.nir", made.graph)
    graph = nir_file.read(tmp_path / "theirs.nir", Conventions(framework=name, **made.options))
    found = peers.agreement(graph, made.x, made.spikes)
    assert min(spikes.mean() for spikes in made.spikes.values()) > 0.005  # else the comparison says little
    record_property("near", found.near)
    print(f"{peers.versions(name)}: {found.compared} compared, {found.fired} fired, {found.near} samples part near th")
    assert found.near <= 1
