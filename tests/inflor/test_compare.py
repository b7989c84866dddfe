"""inflor compare: the same numbers as each network alone, in one table and one plot."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Files, invoke, invoke_json
from html_page import parse

import inflor
from inflor.converter.errors import InputError
from inflor.page.comparison import Comparison, _shares, describe, labels
from inflor.page.words import percent, quantity
from inflor.quant import file as integer_nir

SAMPLES = 60


@pytest.fixture(scope="module")
def networks(files: Files, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    few = tmp_path_factory.mktemp("compare") / "few.int.nir"
    inflor.quantize(files.graph, bits=2, calibrate="digits", samples=64, out=few)
    return few, files.integers


@pytest.fixture(scope="module")
def compared(networks: tuple[Path, Path]) -> Comparison:
    return inflor.compare(networks[::-1], dataset="digits", samples=SAMPLES)


def test_every_number_is_that_of_the_network_alone(networks: tuple[Path, Path], compared: Comparison) -> None:
    assert [c.label for c in compared.candidates] == ["2 bits", "8 bits"]
    assert (compared.dataset, compared.samples) == ("digits test", SAMPLES)
    for path, candidate in zip(networks, compared.candidates, strict=True):
        record = inflor.run(path, dataset="digits", samples=SAMPLES, spikes=True)
        costs = inflor.estimate(integer_nir.read(path), record, ("loihi2", "spinnaker1", "cmos45"), dataset="digits")
        assert candidate.accuracy == record.accuracy
        assert candidate.spikes == sum(int(n.sum()) for n in record.counts.values()) / SAMPLES
        assert candidate.synaptic_events == costs.counts.synaptic_events / SAMPLES
        assert candidate.digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert [h["name"] for h in candidate.hardware] == [e.name for e in costs.estimates]
        for row, estimate in zip(candidate.hardware, costs.estimates, strict=True):
            assert row["energy"] == estimate.energy_joules
            assert row["cores"] == estimate.cores
    few, eight = compared.candidates
    assert few.memory_bytes < 0.5 * eight.memory_bytes


def test_the_command_prints_a_line_per_network_and_json(networks: tuple[Path, Path], compared: Comparison) -> None:
    arguments = ["compare", *networks, "--dataset", "digits", "--samples", SAMPLES]
    printed = invoke(*arguments).stdout.splitlines()
    assert printed[0].startswith("Network  File")
    assert percent(compared.candidates[0].accuracy) in printed[1]
    assert quantity(compared.candidates[1].hardware[0]["energy"], "J") in printed[2]
    assert printed[3] == describe(compared)
    plain = invoke_json(*arguments, "--hardware", "cmos45")
    assert [c["accuracy"] for c in plain["candidates"]] == [c.accuracy for c in compared.candidates]
    assert {h["hardware"] for c in plain["candidates"] for h in c["hardware"]} == {"cmos45"}


def test_the_page_holds_the_table_and_every_point(networks: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "compare.html"
    result = inflor.compare(networks, dataset="digits", samples=SAMPLES, out=out)
    assert result.path == str(out)
    tree = parse(out.read_text("utf-8"))
    rows = tree.one("table", id="networks").cells()
    assert [row[:3] for row in rows] == [[c.label, c.name, percent(c.accuracy)] for c in result.candidates]
    drawn = json.loads(tree.one("script", id="data").text)["comparison"]
    panels = {panel["title"]: panel["points"] for panel in drawn["panels"]}
    assert [p["value"] for p in panels["Accuracy"]] == [c.accuracy for c in result.candidates]
    assert [p["value"] for p in panels["Memory"]] == [c.memory_bytes for c in result.candidates]
    energies = [h["energy"] for c in result.candidates for h in c.hardware if h["energy"] is not None]
    assert [p["value"] for p in panels["Energy per inference"]] == energies
    assert {p["series"] for p in panels["Cores"]} <= {s["name"] for s in drawn["series"]}


def test_the_page_names_the_source_of_every_figure(networks: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "compare.html"
    result = inflor.compare(networks, dataset="digits", samples=5, out=out, hardware=["loihi2", "spinnaker1"])
    listed = parse(out.read_text("utf-8")).one("ol", id="sources").text
    for text in ("23.6 pJ, simulated, check B: Davies", "26.8 W, measured, check A", "latency, ticks: ", "idle, idle"):
        assert any(text in source for source in result.sources), text
        assert text in listed


def test_a_tie_is_said(compared: Comparison) -> None:
    few, eight = compared.candidates
    tied = replace(compared, candidates=tuple(replace(c, accuracy=0.9) for c in (few, eight)))
    assert describe(tied).startswith("All are equally accurate, 90.00 %; of them, 2 bits takes the least memory")
    third = replace(few, accuracy=0.5, label="3 bits")
    text = describe(replace(tied, candidates=(*tied.candidates, third)))
    assert text.startswith("Most accurate are 2 bits and 8 bits with 90.00 % each; within half a point of them, 2 bits")
    assert describe(replace(compared, candidates=(third, replace(eight, accuracy=0.9)))).startswith(
        "Most accurate is 8 bits with 90.00 %; within half a point of it, 8 bits"
    )


def test_the_plot_alone_is_a_picture(networks: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("plot.svg", "plot.png"):
        inflor.compare(networks, dataset="digits", samples=10, hardware=["cmos45"], out=tmp_path / name)
    assert len(ElementTree.parse(tmp_path / "plot.svg").getroot().findall(".//{*}use")) >= 2 * (2 + 2)
    assert (tmp_path / "plot.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_an_axis_of_shares_ends_at_all_and_at_nothing() -> None:
    assert _shares([1.0, 0.9]) == (pytest.approx(0.875), 1.0)
    assert _shares([0.0, 0.0]) == (0.0, 0.002)


def test_labels_say_what_differs() -> None:
    assert labels(["a", "b"], [(4, 4), (8, 8)], [4, 4]) == ["4 bits", "8 bits"]
    assert labels(["a", "b"], [(8, 8), (8, 8)], [2, 4]) == ["2 steps", "4 steps"]
    assert labels(["a", "b", "c"], [(4, 4), (4, 4), (8, 8)], [2, 4, 4]) == [
        *("4 bits, 2 steps", "4 bits, 4 steps", "8 bits, 4 steps")
    ]
    assert labels(["a", "b"], [(2, 8), (2, 8)], [4, 4]) == ["a", "b"]
    assert labels(["a", "a"], [(8, 8), (8, 8)], [4, 4]) == ["1: a", "2: a"]


def test_another_suffix_is_refused_before_anything_runs(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inflor.api.comparing.running.run", lambda *_, **__: pytest.fail("ran"))
    with pytest.raises(InputError, match=r"\.html, \.png, \.svg"):
        inflor.compare([files.integers, files.integers], dataset="digits", out="x.pdf")
    with pytest.raises(InputError, match="two or more networks"):
        inflor.compare(files.integers, dataset="digits")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["INTEGERS"], "two or more"),
        (["INTEGERS", "GRAPH"], "is a float network"),
        (["INTEGERS", "INTEGERS", "--hardware", "loihi9"], "loihi9"),
        (["INTEGERS", "INTEGERS", "--out", "plot.jpg"], ".html, .png, .svg"),
        (["INTEGERS", "INTEGERS", "--out", "INTEGERS"], "is the input itself"),
    ],
)
def test_what_is_refused(files: Files, arguments: list[str], message: str) -> None:
    names = {"INTEGERS": files.integers, "GRAPH": files.graph}
    given = [names.get(argument, argument) for argument in arguments]
    result = invoke("compare", *given, "--dataset", "digits", "--samples", 5)
    assert result.exit_code == 2
    assert message in result.stderr
