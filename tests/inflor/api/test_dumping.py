"""The graph after every pass, in a folder: each file once, in the order of the passes, each NIR graph readable."""

from __future__ import annotations

import nir
import numpy as np
import pytest

import inflor
from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.passes.conventions import Conventions


@pytest.fixture
def foreign(tmp_path):
    one = np.ones(3, np.float32)
    lif = nir.LIF(5e-4 * one, one, 0 * one, one)
    nodes = {"input": nir.Input(np.array([3])), "lif": lif, "output": nir.Output(np.array([3]))}
    nir.write(tmp_path / "foreign.nir", nir.NIRGraph(nodes, [("input", "lif"), ("lif", "output")], type_check=False))
    return tmp_path / "foreign.nir"


def test_every_pass_leaves_one_file(foreign, tmp_path):
    folder = tmp_path / "dumped"
    with inflor.dumping_to(folder):
        inflor.convert(foreign, tmp_path / "out.nir", conventions=Conventions(framework="snntorch"), step=1e-3)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "00-bound-time-constants.txt",
        "01-flatten-graphs.txt",
        "02-read-out-thresholds.txt",
        "03-normalize-nodes.txt",
        "04-add-ends.txt",
        "05-fit-inputs.txt",
        "06-set-time.nir",
        "07-set-resets.nir",
        "08-place-resets.nir",
        "09-retime.nir",
    ]
    assert (folder / "05-fit-inputs.txt").read_text() == "input\nlif\noutput\n"
    reset, placed, retimed = (nir_file.read(folder / name).nodes["lif"] for name in names[-3:])
    assert "reset_value" not in reset.metadata
    assert placed.metadata["reset_value"][0] == pytest.approx(1 / 0.8)
    assert retimed.tau[0] == pytest.approx(5e-3)
    assert (folder / "09-retime.nir").read_bytes() == (tmp_path / "out.nir").read_bytes()


def test_a_folder_in_use_is_refused(foreign):
    with pytest.raises(InputError, match="is not an empty folder"), inflor.dumping_to(foreign.parent):
        pass
