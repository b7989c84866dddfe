"""inflor report: what stands on the page, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from command_line import Files, invoke, invoke_json
from html_page import Element, parse

import inflor
from inflor.converter.errors import InputError
from inflor.page import captions
from inflor.page.colors import ramp
from inflor.page.contents import Missing
from inflor.page.raster import raster
from inflor.page.render import _tiles
from inflor.page.words import between, count, percent, quantity, size
from inflor.quant import file as integer_nir
from inflor.targets.record import file as records
from inflor.targets.record.file import Record, RecordedPopulation

SAMPLES = 40


@dataclass(frozen=True)
class Made:
    """A report with everything in it, and what it was made from."""

    record: Path
    float_record: Path
    check: Path
    losses: Path
    page: Path
    report: inflor.Report

    @property
    def tree(self) -> Element:
        return parse(self.page.read_text("utf-8"))

    @property
    def data(self) -> dict:
        return json.loads(self.tree.one("script", id="data").text)


@pytest.fixture(scope="module")
def made(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("report")
    names = ("cpu.h5", "float.h5", "check.json", "quant.json", "report.html")
    record, float_record, check, losses, page = (folder / name for name in names)
    for model, out in ((files.integers, record), (files.graph, float_record)):
        assert invoke("run", model, "--dataset", "digits", "--samples", SAMPLES, "--out", out).exit_code == 0
    verdict = invoke("check", files.integers, "--targets", "cpu", "spinnaker", "--dataset", "digits", "--json")
    check.write_text(verdict.stdout)
    again = folder / "again.int.nir"
    arguments = ["--calibrate", "digits", "--samples", 64, "--out", again, "--report", losses]
    assert invoke("quantize", files.graph, *arguments).exit_code == 0
    made = inflor.report(
        files.integers,
        record,
        page,
        float_model=files.graph,
        float_record=float_record,
        check=check,
        quantization=losses,
        sample=3,
    )
    return Made(record, float_record, check, losses, page, made)


def test_the_page_has_landmarks_headings_captions_and_named_figures(made: Made) -> None:
    tree = made.tree
    assert tree.one("html").attributes["lang"] == "en"
    for name in ("main", "header", "nav", "footer", "h1", "title"):
        assert tree.one(name).text
    ids = [e.attributes["id"] for e in tree.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for section in tree.all("section"):
        assert section.one(id=section.attributes["aria-labelledby"]).name == "h2"
    for link in tree.one("nav").all("a"):
        assert link.attributes["href"].removeprefix("#") in ids
    for figure in tree.all("figure"):
        assert figure.one(id=figure.attributes["aria-labelledby"]).text
        assert len(figure.one("figcaption").text) > 20
    for table in tree.all("table"):
        assert table.one("caption").text
        columns = table.one("thead").all("th", scope="col")
        assert all(len(row) == len(columns) for row in table.cells())
        assert len(table.one("tbody").all("th", scope="row")) == len(table.cells())
    levels = [int(e.name[1]) for e in tree.all() if re.fullmatch("h[1-6]", e.name)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_nothing_is_fetched_and_only_its_own_scripts_may_run(made: Made) -> None:
    text, tree = made.page.read_text("utf-8"), made.tree
    assert [e for e in tree.all() if "src" in e.attributes or e.name in ("link", "iframe", "img")] == []
    assert all(e.attributes["href"].startswith("#") for e in tree.all("a"))
    assert "url(" not in tree.one("style").text
    assert "@import" not in tree.one("style").text
    (policy,) = [m.attributes["content"] for m in tree.all("meta") if "content-security-policy" in str(m).lower()]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 3
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert not [e for e in tree.all() for name in e.attributes if name.startswith("on")]
    assert "Mike Bostock" in scripts[0]
    assert "Observable" in scripts[1]
    assert tree.one("template", id="licences").text.count("this permission notice appear in all copies") == 2


def test_accuracy_and_verdict_stand_in_words(made: Made) -> None:
    text = made.tree.one("section", id="accuracy").text
    integer, reference = records.read(made.record), records.read(made.float_record)
    same = float((integer.predictions == reference.predictions).mean())
    assert percent(integer.accuracy) in text
    assert percent(reference.accuracy) in text
    assert f"same prediction for {percent(same)}" in text
    compared = json.loads(made.check.read_text())["compared_spikes"]
    assert f"Equal. cpu and spinnaker fire the same spikes: {compared:,}" in text


def test_the_table_of_populations_has_the_records_counts(made: Made, files: Files) -> None:
    record, network = records.read(made.record), integer_nir.read(files.integers)
    rows = {row[0]: row for row in made.tree.one("table", id="populations").cells()}
    assert list(rows) == [p.name for p in network.populations if p.role != "input"]
    for p in record.populations:
        row = rows[p.name]
        assert row[1] == "×".join(map(str, p.shape))
        assert row[2] == "8"
        if p.kind == "readout":
            assert row[6] == row[7] == "–"
            continue
        spikes = record.spikes(p.name)
        assert row[6] == percent(float(spikes.mean()))
        assert row[7] == count(float(spikes.sum()) / SAMPLES)
        threshold = network.by_name[p.name].rule.threshold
        assert row[4].split(" – ")[0] == f"{threshold.min():,}"


def test_losses_are_those_of_the_records_and_of_the_quantization(made: Made) -> None:
    integer, reference = records.read(made.record), records.read(made.float_record)
    written = {layer["population"]: layer for layer in json.loads(made.losses.read_text())["layers"]}
    for row in made.tree.one("table", id="losses").cells():
        differ = float((integer.spikes(row[0]) != reference.spikes(row[0])).mean())
        assert row[3] == percent(differ, 3)
        assert row[5] == f"{written[row[0]]['weight_snr_db']:.1f} dB"
        assert row[1] == percent(float(reference.spikes(row[0]).mean()))


def test_the_raster_holds_every_spike_of_the_sample(made: Made) -> None:
    record = records.read(made.record)
    drawn = made.data["raster"]
    assert [b["name"] for b in drawn["bands"]] == list(record.counts)
    for band in drawn["bands"]:
        assert band["maps"] is None
        packed = np.frombuffer(base64.b64decode(band["bits"]), np.uint8).reshape(drawn["timesteps"], -1)
        bits = np.unpackbits(packed, axis=1, bitorder="little", count=int(np.prod(band["shape"])))
        assert np.array_equal(bits.astype(bool), record.spikes(band["name"])[3].reshape(len(bits), -1))
    table = made.tree.one("table", id="spikes").cells()
    for row in table:
        per_step = record.spikes(row[0])[3].reshape(drawn["timesteps"], -1).sum(1)
        assert row[2:] == [f"{n:,}" for n in per_step]


def test_energy_stands_with_its_sources_and_is_that_of_the_estimate(made: Made, files: Files) -> None:
    plain = inflor.estimate(files.integers, made.record, dataset="digits").as_dict()
    rows = {row[0]: row for row in made.tree.one("table", id="hardware").cells()}
    titles = {e["title"]: e for e in plain["hardware"].values()}
    assert rows.keys() == titles.keys()
    for title, row in rows.items():
        assert row[1] == quantity(titles[title]["energy_joules"], "J")
        found = titles[title]
        low, high = found["latency_low_seconds"], found["latency_high_seconds"]
        assert row[5] == ("–" if low == high else between(low, high, "s"))
    terms = made.tree.one("table", id="terms").cells()
    parts = {"energy": "terms", "latency": "latency_terms", "idle": "static_term"}
    for part, key in parts.items():
        held = [[e[key]] if isinstance(e[key], dict) else e[key] or [] for e in plain["hardware"].values()]
        assert sum(row[1] == part for row in terms) == sum(map(len, held)) > 0, part
    assert all(row[6] and row[7] in ("A", "B") and row[8] for row in terms)
    assert "A: the primary source was read" in made.tree.one("table", id="terms").one("caption").text
    (idle,) = [row for row in terms if row[2] == "boards, idle"]
    assert (idle[3][-1], idle[4]) == ("s", "26.8 W")
    assert all(row[4][-1] == row[5][-1] == "s" for row in terms if row[1] == "latency")
    energy = made.tree.one("section", id="energy").text
    assert "as an ANN" in energy
    assert re.search(r"SpiNNaker 1, power of the board: (9\d|> 99|100) % belongs to no population", energy)
    assert not re.search(r"takes the most energy by every|Most energy goes to [^.]*power of the board", energy)
    drawn = made.data["costs"]["layers"]
    for h in made.data["costs"]["hardware"]:
        assert sum(r["energy"] for r in drawn if r["hardware"] == h["name"]) == pytest.approx(h["energy"], rel=1e-6)


def test_one_chip_stands_at_the_head_and_it_breaks_no_limit_where_another_does_not(made: Made) -> None:
    costs = made.report.costs
    assert not isinstance(costs, Missing)
    tiles = {t["label"]: t for t in _tiles(made.report)}
    loihi2 = next(h for h in costs.hardware if h["name"] == "loihi2")
    assert tiles["Energy"]["value"] == quantity(loihi2["energy"], "J")
    assert (tiles["Cores"]["value"], tiles["Cores"]["note"]) == (count(loihi2["cores"]), "Loihi 2")
    broken = tuple({**h, "breaks": ["a limit"]} if h["hardware"] == "loihi2" else h for h in costs.hardware)
    tiles = {t["label"]: t for t in _tiles(replace(made.report, costs=replace(costs, hardware=broken)))}
    assert tiles["Energy"]["note"].startswith("SpiNNaker 1")
    assert tiles["Cores"]["note"] == "SpiNNaker 1"


def test_a_network_without_spikes_is_said_to_be_silent(made: Made) -> None:
    silent = [{**p, "rate": 0.0, "rate_float": 0.0} for p in made.report.populations if p["rate"] is not None]
    assert captions.rates(silent) == "No neuron fires in any sample."


def test_every_core_is_drawn_once_and_the_timeline_is_the_wavefront(made: Made, files: Files) -> None:
    network, data = integer_nir.read(files.integers), made.data
    neurons = {p.name: p.size for p in network.populations if p.role != "input"}
    assert [c["name"] for c in data["chips"]] == ["loihi2", "spinnaker1"]
    for chip in data["chips"]:
        held: dict[str, int] = {}
        for core in chip["cores"]:
            for part in core["populations"]:
                held[part["name"]] = held.get(part["name"], 0) + part["neurons"]
            assert [core["chip"], core["x"], core["y"]] in chip["sites"]
            assert 0 < core["fill"] <= 1
        assert held == neurons
        seats = [(c["chip"], c["x"], c["y"], c["seat"]) for c in chip["cores"]]
        assert len(set(seats)) == len(seats)
        assert max(c["seat"] for c in chip["cores"]) < chip["seats"]
    timesteps, depth = network.info.timesteps, network.depth
    blocks = {(b["name"], b["sample"], b["frame"]): b["step"] for b in data["timeline"]["blocks"]}
    for name in neurons:
        for sample in range(2):
            for frame in range(timesteps):
                assert blocks[name, sample, frame] == sample * timesteps + frame + depth[name] - 1
    assert data["timeline"]["latency"] == max(blocks[n, 0, timesteps - 1] for n in network.outputs) + 1


def test_many_timesteps_are_a_raster_and_whole_blocks(files: Files, tmp_path: Path) -> None:
    network = integer_nir.read(files.integers)
    model, record = tmp_path / "long.int.nir", tmp_path / "long.h5"
    integer_nir.write(model, replace(network, info=replace(network.info, timesteps=40)))
    inflor.run(model, dataset="digits", samples=2, out=record)
    inflor.report(model, record, tmp_path / "long.html", sample=1, hardware=["cmos45"])
    data = json.loads(parse((tmp_path / "long.html").read_text("utf-8")).one("script", id="data").text)
    blocks = {(b["name"], b["sample"]): (b["step"], b["steps"]) for b in data["timeline"]["blocks"]}
    assert blocks["neuron1", 0] == (0, 40)
    assert blocks["readout", 1] == (40 + network.depth["readout"] - 1, 40)
    spikes = records.read(record).spikes("neuron1")[1].reshape(40, -1)
    (band,) = [b for b in data["raster"]["bands"] if b["name"] == "neuron1"]
    assert band["tiling"] == [1, 1, 1]
    packed = np.frombuffer(base64.b64decode(band["bits"]), np.uint8).reshape(40, -1)
    shown = spikes if band["maps"] is None else spikes[:, band["maps"]]
    assert np.array_equal(np.unpackbits(packed, axis=1, bitorder="little", count=shown.shape[1]).astype(bool), shown)


def test_a_large_population_is_thinned_out_in_whole_maps() -> None:
    rng = np.random.default_rng(0)
    spikes = rng.random((1, 3, 64, 32, 32)) < 0.1
    packed = np.packbits(spikes.reshape(1, 3, -1), axis=-1, bitorder="little")
    population = RecordedPopulation(name="wide", shape=(64, 32, 32), kind="if", depth=1)
    none = np.zeros(1, np.int64)
    found = raster(
        Record(
            populations=(population,),
            timesteps=3,
            counts={"wide": none},
            outputs={},
            predictions=none,
            packed={"wide": packed},
        ),
        0,
    )
    (band,) = found.bands
    assert band.maps is not None
    assert (len(band.maps), band.maps[0], band.maps[-1]) == (16, 0, 63)
    assert band.shown == "16 of 64 maps, evenly drawn"
    bits = np.unpackbits(np.frombuffer(base64.b64decode(band.bits), np.uint8).reshape(3, -1), axis=1, bitorder="little")
    assert np.array_equal(bits.astype(bool), spikes[0][:, list(band.maps)].reshape(3, -1))
    assert band.per_step == tuple(spikes[0].reshape(3, -1).sum(1))


def test_the_files_are_named_with_their_digests(made: Made, files: Files) -> None:
    rows = made.tree.one("table", id="files").cells()
    for path in (files.integers, made.record, files.graph, made.float_record, made.check, made.losses):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert any(row[1] == path.name and row[3] == digest for row in rows)
    facts = made.tree.one("dl", class_="facts").text
    assert "bits 8" in facts
    assert "inflor" in facts


def test_whatever_a_file_says_is_escaped(files: Files, tmp_path: Path) -> None:
    network = integer_nir.read(files.integers)
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    info = replace(
        network.info, dataset=evil, architecture=evil, class_names=(evil,) * 10, provenance={"made_from": evil}
    )
    renamed = {p.name: f"<b onclick='x'>{p.name}&\"" for p in network.populations if p.kind == "if"}
    network = replace(
        network,
        info=info,
        populations=tuple(replace(p, name=renamed.get(p.name, p.name)) for p in network.populations),
        projections=tuple(
            replace(q, source=renamed.get(q.source, q.source), target=renamed.get(q.target, q.target))
            for q in network.projections
        ),
    )
    model, out = tmp_path / "<i>&'model.int.nir", tmp_path / "evil.html"
    integer_nir.write(model, network)
    inflor.run(model, dataset="digits", samples=4, out=tmp_path / "evil.h5")
    inflor.report(model, tmp_path / "evil.h5", out, hardware=["cmos45"])
    tree = parse(out.read_text("utf-8"))
    assert tree.one("h1").text == f"{evil} on {evil}"
    assert tree.all("img") == tree.all("b") == tree.all("i") == []
    assert len(tree.all("script")) == 4
    assert {row[0] for row in tree.one("table", id="populations").cells()} == {*renamed.values(), "readout"}
    assert json.loads(tree.one("script", id="data").text)["populations"][0]["name"] in renamed.values()


def test_what_is_not_given_is_named(files: Files, made: Made, tmp_path: Path) -> None:
    out = tmp_path / "short.html"
    result = invoke("report", files.integers, "--record", made.record, "--out", out, "--hardware", "cmos45")
    assert result.exit_code == 0, result.stderr
    assert "equivalence not shown: Give what inflor check --json printed" in result.stdout
    text = parse(out.read_text("utf-8")).one("main").text
    assert "Give the float network with --float-model, or its record with --float-record." in text
    assert "Membrane potentials: not shown. Give the float network with --float-model." in text
    assert "Map of cores: not shown." in text
    bare = tmp_path / "bare.h5"
    assert invoke("run", files.integers, "--dataset", "digits", "--no-spikes", "--out", bare).exit_code == 0
    printed = invoke_json("report", files.integers, "--record", bare, "--out", out)
    assert "was written without spikes" in printed["raster"]["why"]
    assert printed["costs"]["why"]


def test_the_float_network_is_run_where_it_has_no_record_and_targets_are_compared_on_demand(
    files: Files, made: Made, tmp_path: Path
) -> None:
    arguments = ["--float-model", files.graph, "--targets", "cpu", "spinnaker", "--check-samples", 1]
    options = [*arguments, "--hardware", "loihi2", "cmos45", "--out", tmp_path / "now.html"]
    printed = invoke_json("report", files.integers, "--record", made.record, *options)
    assert printed["accuracy"]["float_"] == records.read(made.float_record).accuracy
    assert printed["verdict"]["equal"] is True
    assert (printed["verdict"]["samples"], printed["verdict"]["targets"]) == (1, ["cpu", "spinnaker"])
    assert {h["hardware"] for h in printed["costs"]["hardware"]} == {"loihi2", "cmos45"}
    assert [c["name"] for c in printed["chips"]] == ["loihi2"]
    assert "bits" not in printed["raster"]["bands"][0]


def test_a_mismatch_is_shown_with_both_sides(files: Files, made: Made, tmp_path: Path) -> None:
    verdict = json.loads(made.check.read_text())
    side = {"target": "cpu", "value": 1, "a": 5, "v": 1234567, "threshold": 9, "due": 1, "a_seen": None, "v_seen": None}
    sides = [side, {**side, "target": "spinnaker", "value": 0, "v_seen": 7}]
    verdict |= {"equal": False, "mismatches": 12}
    verdict["first_mismatch"] = {
        "population": "neuron1",
        "depth": 1,
        "sample": 2,
        "timestep": 3,
        "neuron": [4],
        "sides": sides,
    }
    path, out = tmp_path / "different.json", tmp_path / "different.html"
    del verdict["checksum"]
    path.write_text(json.dumps(verdict))
    inflor.report(files.integers, made.record, out, check=path, hardware=["cmos45"])
    tree = parse(out.read_text("utf-8"))
    assert "Different. cpu and spinnaker differ in 12 of" in tree.one("section", id="accuracy").text
    assert "population neuron1, neuron (4), step 3, sample 2" in tree.one("section", id="accuracy").text
    rows = tree.one("table", id="first-mismatch").cells()
    assert rows[1] == ["spinnaker", "0", "1", "5", "1,234,567", "9", "–", "7"]


def test_a_record_of_another_version_is_pointed_out(files: Files, made: Made, tmp_path: Path) -> None:
    network = integer_nir.read(files.integers)
    other = tmp_path / "other.int.nir"
    integer_nir.write(other, replace(network, info=replace(network.info, architecture="another")))
    result = inflor.report(other, made.record, None, float_model=files.graph, hardware=["cmos45"])
    assert result.path is None
    assert len(result.warnings) == 1
    assert "made from another version of other.int.nir" in result.warnings[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sample", "40"], "the record has the samples 0 to 39"),
        (["--hardware", "loihi9"], "loihi9"),
        (["--check", "CHECK", "--targets", "cpu", "spinnaker"], "give one of them"),
        (["--check", "LOSSES"], "is not what inflor check --json prints"),
        (["--check", "RECORD"], "is no JSON"),
        (["--quantization", "CHECK"], "is not what inflor quantize --report writes"),
        (["--float-model", "MODEL"], "takes the one that it was made from"),
        (["--dataset", "mnist", "--data-dir", "."], "mnist"),
        (["--targets", "cpu"], "two or more"),
        (["--out", "MODEL"], "is the input itself"),
        (["--out", "RECORD"], "is the input itself"),
    ],
)
def test_what_is_refused(files: Files, made: Made, tmp_path: Path, arguments: list[str], message: str) -> None:
    names = {"CHECK": made.check, "LOSSES": made.losses, "MODEL": files.integers, "RECORD": made.record}
    out = [] if "--out" in arguments else ["--out", tmp_path / "never.html"]
    given = [names.get(argument, argument) for argument in arguments]
    result = invoke("report", files.integers, "--record", made.record, *out, *given)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "never.html").exists()


def test_a_float_network_and_a_record_of_another_are_refused(files: Files, made: Made, make_npz) -> None:
    result = invoke("report", files.graph, "--record", made.record)
    assert result.exit_code == 2
    assert "is a float network" in result.stderr
    network = integer_nir.read(files.integers)
    other = files.folder / "other.int.nir"
    last = replace(network.populations[-1], name="last")
    links = tuple(replace(q, target="last") if q.target == network.outputs[0] else q for q in network.projections)
    populations = (*network.populations[:-1], last)
    integer_nir.write(other, replace(network, populations=populations, projections=links, outputs=("last",)))
    result = invoke("report", other, "--record", made.record)
    assert result.exit_code == 2
    assert "is no record of" in result.stderr


def test_a_float_record_must_be_of_a_float_run_on_the_same_samples(files: Files, made: Made, tmp_path: Path) -> None:
    train, shuffled = tmp_path / "train.h5", tmp_path / "shuffled.h5"
    digits = inflor.load_dataset("digits")
    inflor.run(files.graph, dataset=digits, split="train", samples=SAMPLES, out=train)
    turned = replace(digits, x_test=digits.x_test[::-1], y_test=digits.y_test[::-1])
    inflor.run(files.graph, dataset=turned, samples=SAMPLES, out=shuffled)
    for path, message in (
        (made.record, "is a run on cpu; `float_record` takes one of the float network"),
        (train, "is of the split train, but"),
        (shuffled, "the labels of"),
    ):
        with pytest.raises(InputError, match=message):
            inflor.report(files.integers, made.record, None, float_record=path, hardware="cmos45")
    with pytest.raises(InputError, match="is a run of a float network"):
        inflor.report(files.integers, made.float_record, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 4}, "its bits is 4, not 8"),
        ({"granularity": "population"}, "its granularity is population"),
        ({"threshold": [1, 2]}, r"the threshold of 'neuron1' is \[1, 2\]"),
        ({"shape": [3]}, "the shape of 'neuron1'"),
    ],
)
def test_the_report_of_another_quantization_is_refused(files: Files, made: Made, change: dict, message: str) -> None:
    losses = json.loads(made.losses.read_text())
    (losses["layers"][0] if change.keys() & {"threshold", "shape"} else losses).update(change)
    with pytest.raises(InputError, match=message):
        inflor.report(files.integers, made.record, None, quantization=losses, hardware="cmos45")


def test_other_data_of_the_same_name_are_refused_or_pointed_out(files: Files, made: Made) -> None:
    digits = inflor.load_dataset("digits")
    other = replace(digits, y_test=(digits.y_test + 1) % 10)
    with pytest.raises(InputError, match=f"the labels of {SAMPLES} of {SAMPLES} samples differ"):
        inflor.report(files.integers, made.record, None, dataset=other)
    with pytest.raises(InputError, match="is of other data than this digits"):
        inflor.estimate(files.integers, made.record, "cmos45", dataset=other)
    dark = replace(digits, x_test=digits.x_test * 0.5)
    result = inflor.report(files.integers, made.record, None, dataset=dark, hardware="cmos45")
    assert any("'neuron1' are not those" in warning and "other data" in warning for warning in result.warnings)
    assert made.report.warnings == ()


def test_a_name_alone_is_taken_and_what_is_no_file_or_number_is_refused(files: Files, made: Made) -> None:
    result = inflor.report(files.integers, made.record, None, hardware="cmos45")
    assert not isinstance(result.costs, Missing)
    assert {h["hardware"] for h in result.costs.hardware} == {"cmos45"}
    with pytest.raises(InputError, match=r"1\.5: is no whole number"):
        inflor.report(files.integers, made.record, None, sample=1.5)
    with pytest.raises(InputError, match="not a IntegerNetwork"):
        inflor.report(integer_nir.read(files.integers), made.record, None)


@pytest.mark.parametrize("number", [1, 2, 4, 9, 40])
def test_colors_are_readable_on_light_and_dark(number: int) -> None:
    colors = ramp(number)
    assert len(set(colors)) == number
    for color in colors:
        for ground in ("#ffffff", "#12151b"):
            assert _contrast(color, ground) >= 3.0


def _contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    lights = []
    for color in (one, other):
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_numbers_are_written_as_people_read_them() -> None:
    assert [quantity(x, "J") for x in (1.234e-6, 0.999, 1e-3, 0.0, None, 45.6e-12)] == [
        *("1.23 µJ", "999 mJ", "1.00 mJ", "0 J", "not published", "45.6 pJ")
    ]
    assert between(12.2e-6, 28.9e-6, "J") == "12.2 – 28.9 µJ"
    assert between(0.766, 1.59, "J") == "766 mJ – 1.59 J"
    assert [percent(x) for x in (0.9778, 1.0, 0.999999, 1e-7, 0.0, None)] == [
        *("97.78 %", "100.00 %", "> 99.99 %", "< 0.01 %", "0.00 %", "–")
    ]
    assert [count(x) for x in (512462, 12.34, 3, None)] == ["512,462", "12.3", "3", "–"]
    assert [size(x) for x in (596, 825303, 5e6)] == ["596 bytes", "825.3 kB", "5.0 MB"]
