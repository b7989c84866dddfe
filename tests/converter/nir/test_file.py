"""Writing and reading .nir files: the same again, with the stock reader, and from files that mean no good."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signing import sign_again

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.reading import hdf5

ONES = np.ones(3, np.float32)


def small_nodes() -> tuple[dict[str, nir.NIRNode], list[tuple[str, str]]]:
    """conv -> soft-reset IF -> pool -> flatten -> affine -> readout, with several dtypes."""
    rng = np.random.default_rng(0)
    neuron = nir.IF(np.ones((4, 8, 8), np.float32), np.full((4, 8, 8), 0.5, np.float32))
    neuron.metadata = {"reset": "subtract", "reset_value": 1.0, "scale": {"bits": 8, "values": np.arange(4.0)}}
    nodes = {
        "input": nir.Input(np.array([2, 8, 8])),
        "zeta": nir.Conv2d(
            (8, 8), rng.normal(size=(4, 2, 3, 3)).astype(np.float32), 1, 1, 1, 1, np.zeros(4, np.float32)
        ),
        "if": neuron,
        "pool": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten(np.array([4, 4, 4]), 0, -1),
        "alpha": nir.Affine(rng.integers(-128, 128, (3, 64), dtype=np.int8), np.array([1, -2, 3], np.int32)),
        "readout": nir.I(np.ones(3)),
        "output": nir.Output(np.array([3])),
    }
    return nodes, list(zip(nodes, list(nodes)[1:], strict=False))


def write_small(path: Path, **changes: nir.NIRNode) -> Path:
    nodes, edges = small_nodes()
    nir_file.write(path, nodes | changes, edges, ModelInfo(timesteps=7), {"color": "blue"})
    return path


def same(a: object, b: object) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, str):
        return a == b
    return np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype


def assert_same_graph(a: Graph, b: Graph) -> None:
    assert list(a.nodes) == list(b.nodes)
    assert (a.edges, a.order, a.recurrent, a.info) == (b.edges, b.order, b.recurrent, b.info)
    assert (a.input_shapes, a.output_shapes) == (b.input_shapes, b.output_shapes)
    assert same(a.metadata, b.metadata)
    for name, node in a.nodes.items():
        assert type(node) is type(b.nodes[name])
        assert same(vars(node), vars(b.nodes[name])), name


def test_read_gives_back_what_was_written(tmp_path):
    first = nir_file.read(write_small(tmp_path / "a.nir"))
    assert list(first.nodes) == list(small_nodes()[0])  # the order of evaluation, not of the alphabet
    assert first.info.timesteps == 7
    assert first.info.known
    assert first.metadata == {"color": "blue"}
    assert first.nodes["if"].metadata["reset"] == "subtract"
    assert first.nodes["if"].metadata["scale"]["values"].tolist() == [0, 1, 2, 3]
    assert first.nodes["alpha"].weight.dtype == np.int8
    assert first.nodes["alpha"].bias.dtype == np.int32
    assert first.nodes["zeta"].weight.dtype == np.float32
    nir_file.write(tmp_path / "b.nir", first.nodes, first.edges, first.info, first.metadata)
    assert_same_graph(first, nir_file.read(tmp_path / "b.nir"))


def test_the_same_graph_gives_the_same_bytes(tmp_path):
    before = write_small(tmp_path / "a.nir").read_bytes()
    time.sleep(1.1)  # HDF5 stamps seconds where it is not told otherwise
    assert write_small(tmp_path / "b.nir").read_bytes() == before


def test_the_stock_reader_sees_the_same(tmp_path):
    peer = nir.read(write_small(tmp_path / "a.nir"))
    nodes, edges = small_nodes()
    assert peer.edges == edges
    for name, node in nodes.items():
        theirs = peer.nodes[name]
        assert type(theirs) is type(node)
        for field in ("weight", "bias", "r", "v_threshold", "v_reset", "stride", "padding", "kernel_size", "groups"):
            if hasattr(node, field):
                assert np.array_equal(getattr(theirs, field), getattr(node, field)), (name, field)
    assert peer.nodes["if"].metadata["reset"] == "subtract"
    assert ModelInfo.from_json(peer.metadata["inflor"], "a.nir").timesteps == 7


def test_grouped_convolutions_are_typed_here_and_mistyped_by_nir(tmp_path):
    """nir 1.0.8 takes weight.shape[1] for the input's channels, so its reader opens these without its type check."""
    weight = np.ones((4, 1, 3, 3), np.float32)
    nodes = {
        "input": nir.Input(np.array([2, 8, 6])),
        "conv": nir.Conv2d((8, 6), weight, (2, 1), (0, 1), 1, 2, np.zeros(4, np.float32)),
        "output": nir.Output(np.array([4, 3, 6])),
    }
    nir_file.write(tmp_path / "a.nir", nodes, [("input", "conv"), ("conv", "output")], ModelInfo())
    assert nir_file.read(tmp_path / "a.nir").output_shapes["conv"] == (4, 3, 6)
    peer = nir.read(tmp_path / "a.nir", type_check=False)
    assert np.array_equal(peer.nodes["conv"].weight, weight)
    with pytest.raises(ValueError, match="type mismatch"):
        nir.read(tmp_path / "a.nir")


def every_primitive() -> list[nir.NIRNode]:
    one = np.ones((2, 4))
    return [
        nir.Input(np.array([1, 8])),
        nir.Conv1d(8, np.ones((2, 1, 2)), 2, 0, 1, 1, np.zeros(2)),
        nir.CubaLIF(one, one, one, one, one, one),
        nir.Scale(2 * one),
        nir.Delay(one),
        nir.Threshold(one),
        nir.LI(one, one, one),
        nir.CubaLI(one, one, one, one),
        nir.Flatten(np.array([2, 4]), 0, 1),
        nir.Linear(np.ones((3, 8))),
        nir.LIF(np.ones(3), np.ones(3), np.ones(3), np.ones(3)),
        nir.Output(np.array([3])),
    ]


def test_every_primitive_is_written_and_read_by_both(tmp_path):
    nodes = {f"n{i}": node for i, node in enumerate(every_primitive())}
    edges = list(zip(nodes, list(nodes)[1:], strict=False))
    nir_file.write(tmp_path / "ours.nir", nodes, edges, ModelInfo())
    nir.write(tmp_path / "theirs.nir", nir.NIRGraph(nodes, edges, type_check=False))
    ours, theirs = nir_file.read(tmp_path / "ours.nir"), nir_file.read(tmp_path / "theirs.nir")
    assert not theirs.info.known
    assert set(ours.edges) == set(theirs.edges)
    assert ours.order == theirs.order == tuple(nodes)
    assert ours.output_shapes == theirs.output_shapes
    peer = nir.read(tmp_path / "ours.nir")
    assert {name: type(node) for name, node in peer.nodes.items()} == {name: type(node) for name, node in nodes.items()}
    for name, node in ours.nodes.items():
        assert same(vars(node), vars(theirs.nodes[name])), name


@settings(max_examples=25)
@given(data=st.data())
def test_random_graphs_come_back(data, tmp_path_factory):
    """Chains with skips: linear layers between IF neurons of random names, widths and dtypes."""
    names = data.draw(st.lists(st.text("abcXYZ_.é0", min_size=1, max_size=6), min_size=3, max_size=8, unique=True))
    names = [name for name in names if name.strip(".")] or ["n"]
    width = data.draw(st.integers(1, 5))
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int16, np.int64]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    nodes: dict[str, nir.NIRNode] = {"in put": nir.Input(np.array([width]))}
    edges = []
    for i, name in enumerate(names):
        edges.append((list(nodes)[-1], name))
        if i % 2:
            nodes[name] = nir.IF(np.ones(width, dtype), np.ones(width, dtype))
            if i > 2 and data.draw(st.booleans()):
                edges.append((names[i - 2], name))
        else:
            nodes[name] = nir.Linear(rng.integers(-9, 9, (width, width)).astype(dtype))
    edges.append((names[-1], "out put"))
    nodes["out put"] = nir.Output(np.array([width]))
    path = tmp_path_factory.mktemp("random") / "a.nir"
    nir_file.write(path, nodes, edges, ModelInfo())
    graph = nir_file.read(path)
    assert graph.edges == tuple(edges)
    for name, node in nodes.items():
        for field in ("weight", "r", "v_threshold"):
            if hasattr(node, field):
                assert same(getattr(graph.nodes[name], field), getattr(node, field))


# --- files that cannot be read ---


def refused(path: Path, *parts: str) -> None:
    """One clear message with the file's name and every one of `parts`."""
    with pytest.raises(InputError) as caught:
        nir_file.read(path)
    message = str(caught.value)
    assert message.startswith(str(path)), message
    for part in parts:
        assert part in message, message
    assert "\n" not in message


def test_what_is_no_nir_file(tmp_path):
    refused(tmp_path / "none.nir", "No such file")
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.nir").touch()
    refused(tmp_path / "empty.nir", "is empty")
    (tmp_path / "text.nir").write_text("layers: 3\n" * 100)
    refused(tmp_path / "text.nir", "is not HDF5, so it is not a .nir file")
    os.mkfifo(tmp_path / "pipe.nir")
    refused(tmp_path / "pipe.nir", "not a regular file")
    with h5py.File(tmp_path / "other.nir", "w") as file:
        file["data"] = np.arange(3)
    refused(tmp_path / "other.nir", "no group 'node'")
    with pytest.raises(InputError, match="cannot be read"):
        nir_file.read("a\0b.nir")


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.9, 0.999])
def test_truncated(tmp_path, part):
    whole = write_small(tmp_path / "a.nir").read_bytes()
    (tmp_path / "a.nir").write_bytes(whole[: int(len(whole) * part)])
    refused(tmp_path / "a.nir")


def test_claims_of_size_are_checked_before_memory_is_taken(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge = {
        "trillion": {"shape": (10**6, 10**6), "chunks": (10**3, 10**3)},
        "contiguous": {"shape": (10**12,)},
        "below_limit": {"shape": (5 * 10**8,), "chunks": (10**6,)},
    }
    for name, options in huge.items():
        path = write_small(tmp_path / f"{name}.nir")
        with h5py.File(path, "r+") as file:
            del file["node/nodes/alpha/weight"]
            file.create_dataset("node/nodes/alpha/weight", dtype="f4", **options)
        refused(path, "/nodes/alpha/weight", f"claims {np.prod(options['shape'])} elements")
    path = write_small(tmp_path / "part.nir")
    with h5py.File(path, "r+") as file:
        data = file.create_dataset("node/nodes/alpha/w", (8 * 10**7,), "f8", chunks=(10**5,), compression="lzf")
        data[: 10**5] = np.random.default_rng(0).normal(size=10**5)
    refused(path, "/nodes/alpha/w", "80000000 elements of float64", "bytes are stored")
    path = write_small(tmp_path / "zeros.nir")
    with h5py.File(path, "r+") as file:
        file.create_dataset("node/nodes/alpha/w", data=np.zeros(2**27, np.int8), chunks=(2**20,), compression="gzip")
    refused(path, "/nodes/alpha/w", "bytes would become 134217728", "without compression")
    path = write_small(tmp_path / "sparse.nir")
    with h5py.File(path, "r+") as file:
        file.create_dataset("node/nodes/alpha/w", (10**7,), "f8", chunks=(1000,))[:1] = 1
    refused(path, "/nodes/alpha/w", "claims 10000000 elements", "8000 bytes are stored")
    path = write_small(tmp_path / "bomb.nir")
    with h5py.File(path, "r+") as file:  # one chunk stored, two gigabytes claimed
        del file["node/nodes/alpha/weight"]
        data = file.create_dataset("node/nodes/alpha/weight", (2**31,), "i1", chunks=(10**6,), compression="gzip")
        data[:10] = 1
    refused(path, "/nodes/alpha/weight", "stored")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_total_size_is_limited(tmp_path, monkeypatch):
    readout = nir.I(np.ones(3), metadata={"zeros": np.zeros(50_000)})
    path = write_small(tmp_path / "a.nir", readout=readout)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(hdf5, "MAX_BYTES", 500_000)
    nir_file.read(path)
    monkeypatch.setattr(hdf5, "MAX_BYTES", 399_999)
    refused(path, "together")
    monkeypatch.setattr(hdf5, "MAX_BYTES", path.stat().st_size - 1)
    refused(path, "bytes; at most")


def tamper(path: Path, key: str, make: object) -> Path:
    """Replace node/<key> by what `make(group, name)` creates."""
    write_small(path)
    with h5py.File(path, "r+") as file:
        parent, name = file["node"][str(Path(key).parent)], Path(key).name
        if name in parent:
            del parent[name]
        make(parent, name)
    sign_again(path)
    return path


WEIGHT = "nodes/alpha/weight"


def _external(group, name):
    group.create_dataset(name, (3, 64), "i1", external=[("/etc/passwd", 0, 192)])


def _virtual(group, name):
    layout = h5py.VirtualLayout((3, 64), "i1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 64))
    group.create_virtual_dataset(name, layout)


def _references(group, name):
    group.create_dataset(name, (3, 64), h5py.ref_dtype)[0, 0] = group.ref


def _compound(group, name):
    group[name] = np.zeros((3, 64), [("a", "f4"), ("b", "i4")])


def _vlen(group, name):
    group.create_dataset(name, (3,), h5py.vlen_dtype(np.int8))[0] = [1, 2]


def _soft(group, name):
    group[name] = h5py.SoftLink("/node/nodes/alpha/bias")


def _external_link(group, name):
    group[name] = h5py.ExternalLink("/etc/passwd", "/x")


def _type(group, name):
    group[name] = np.dtype("f4")


def _null(group, name):
    group[name] = h5py.Empty("f4")


def _filter(group, name):
    """A filter that nobody has: registered as optional, so that HDF5 writes the data without it."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((3, 64))
    properties.set_filter(40000, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((3, 64))
    data = h5py.h5d.create(group.id, name.encode(), h5py.h5t.NATIVE_INT8, space, properties)
    h5py.Dataset(data)[:] = 1


def _deep(group, name):
    for _ in range(40):
        group = group.create_group("g")
    group["x"] = 1


def _cycle(group, name):
    group[name] = group.file["node/nodes"]


def _long_name(group, name):
    group["n" * 300] = 1


def _long_text(group, name):
    group.create_dataset(name, data="x" * (2**24 + 1), dtype=h5py.string_dtype())


def _binary_text(group, name):
    group.create_dataset(name, data=b"\xff\xfe", dtype=h5py.string_dtype())


def _binary_name(group, name):
    h5py.h5g.create(group.id, b"\xff\xfe")


@pytest.mark.parametrize(
    ("key", "make", "parts"),
    [
        (WEIGHT, _external, ["/nodes/alpha/weight", "lies in another file"]),
        (WEIGHT, _virtual, ["/nodes/alpha/weight", "lies in another file"]),
        (WEIGHT, _references, ["/nodes/alpha/weight", "references"]),
        (WEIGHT, _compound, ["/nodes/alpha/weight", "neither numbers nor text"]),
        (WEIGHT, _vlen, ["/nodes/alpha/weight", "neither numbers nor text"]),
        (WEIGHT, _soft, ["/nodes/alpha/weight", "link"]),
        (WEIGHT, _external_link, ["/nodes/alpha/weight", "link"]),
        (WEIGHT, _type, ["/nodes/alpha/weight", "neither a group nor data"]),
        (WEIGHT, _null, ["/nodes/alpha/weight", "empty"]),
        (WEIGHT, _filter, ["/nodes/alpha/weight", "compressed by", "not installed"]),
        ("nodes/alpha/x", _deep, ["/nodes/alpha/g/g", "groups deep"]),
        ("nodes/alpha/x", _cycle, ["/nodes/alpha/x", "groups deep"]),
        ("nodes/alpha/x", _long_name, ["300 characters"]),
        ("metadata/x", _long_text, ["16777217 characters"]),
        ("nodes/alpha/type", _binary_text, ["/nodes/alpha/type", "not UTF-8"]),
        ("nodes/alpha/type", _binary_name, ["not UTF-8"]),
        ("nodes/alpha/type", lambda g, n: g.create_dataset(n, data="Conv9d"), ["node 'alpha'", "'Conv9d'", "CubaLIF"]),
        ("nodes/alpha/type", lambda g, n: None, ["node 'alpha' has no type"]),
        ("nodes/alpha/type", lambda g, n: g.create_dataset(n, data=3), ["node 'alpha' has no type"]),
        (
            "nodes/alpha/type",
            lambda g, n: g.create_dataset(n, data="NIRGraph"),
            ["the graph 'alpha'", "no group 'nodes'"],
        ),
        ("nodes/alpha", lambda g, n: g.create_dataset(n, data=3), ["node 'alpha' has no type"]),
        ("nodes/alpha/bias", lambda g, n: None, ["node 'alpha' (Affine)", "no field 'bias'"]),
        ("nodes/alpha/bias", lambda g, n: g.create_group(n), ["node 'alpha' (Affine)", "'bias' is a group"]),
        ("nodes/alpha/color", lambda g, n: g.create_dataset(n, data=3), ["node 'alpha' (Affine)", "'color'"]),
        ("nodes/alpha/metadata", lambda g, n: g.create_dataset(n, data=3), ["node 'alpha'", "metadata"]),
        ("nodes", lambda g, n: g.create_dataset(n, data=3), ["no group 'nodes'"]),
        ("type", lambda g, n: g.create_dataset(n, data="IF"), ["'IF', not a NIRGraph"]),
        ("edges", lambda g, n: g.create_dataset(n, data=[[1, 2]]), ["no list 'edges'"]),
        ("edges", lambda g, n: g.create_dataset(n, data=["a", "b", "c"]), ["no list 'edges'"]),
        ("metadata/inflor", lambda g, n: g.create_dataset(n, data="{"), ["inflor metadata are not JSON"]),
        ("metadata/inflor", lambda g, n: g.create_dataset(n, data=3), ["inflor metadata are not a text"]),
    ],
)
def test_tampered_files_are_refused_by_name(tmp_path, key, make, parts):
    refused(tamper(tmp_path / "a.nir", key, make), *parts)


def test_a_heap_that_hdf5_would_walk_for_ever(tmp_path):
    path = write_small(tmp_path / "a.nir")
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    data[heap + 24 : heap + 32] = (8 * 1000).to_bytes(8, "little")
    path.write_bytes(data)
    refused(path, "heap of texts")


def test_counts_of_objects_and_texts_are_limited(tmp_path, monkeypatch):
    path = write_small(tmp_path / "a.nir")
    monkeypatch.setattr(hdf5, "MAX_OBJECTS", 20)
    refused(path, "more than 20 groups")
    monkeypatch.setattr(hdf5, "MAX_OBJECTS", 1000)
    monkeypatch.setattr(hdf5, "MAX_TEXTS", 3)
    refused(path, "/edges", "more than 3 texts")


def test_texts_in_every_layout(tmp_path):
    """Other writers store the edges in chunks, or as texts of fixed length."""
    edges = small_nodes()[1]
    for name, options in {
        "chunked": {"data": np.array(edges, dtype=h5py.string_dtype()), "chunks": (2, 2), "compression": "gzip"},
        "fixed": {"data": np.array(edges, dtype="S8")},
    }.items():
        path = tamper(tmp_path / f"{name}.nir", "edges", lambda g, n, o=options: g.create_dataset(n, **o))
        assert nir_file.read(path).edges == tuple(edges)


def test_damaged_bytes_end_in_a_graph_or_in_one_message(tmp_path):
    whole = write_small(tmp_path / "a.nir").read_bytes()
    rng = random.Random(0)
    messages = []
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 2, 8])):
            data[rng.randrange(len(data))] = rng.choice([0, 255, rng.randrange(256)])
        (tmp_path / "b.nir").write_bytes(data)
        try:
            nir_file.read(tmp_path / "b.nir")
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert all(message.startswith(str(tmp_path / "b.nir")) for message in messages)


# --- writing ---


def test_an_invalid_graph_is_not_written(tmp_path):
    with pytest.raises(InputError, match=r"a\.nir: node 'readout' \(I\): field 'r' holds 0"):
        write_small(tmp_path / "a.nir", readout=nir.I(np.zeros(3)))
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match=r"a\.nir: cannot be written \(No such file"):
        write_small(Path("/proc/nowhere/a.nir"))  # not even root makes folders there
    with pytest.raises(InputError, match="is a folder"):
        write_small(tmp_path)


FULL_DISK = """
import resource, sys
import numpy as np
from inflor.converter.nir import file as nir_file
from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo
graph = nir_file.read(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    nir_file.write(sys.argv[1], graph.nodes, graph.edges, ModelInfo())
except InputError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A limit on file size stands for the full disk: the write ends with the same kind of error half way."""
    path = write_small(tmp_path / "a.nir")
    before = path.read_bytes()
    result = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2, result.stderr
    assert f"{path}: cannot be written (File too large)" in result.stdout
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_with_a_slash_is_named(tmp_path):
    """HDF5 makes a group within a group of it; `nir` itself cannot read such a file."""
    nodes = {
        "input": nir.Input({"input": np.array([2])}),
        "block/fc": nir.Linear(np.eye(2)),
        "output": nir.Output({"output": np.array([2])}),
    }
    graph = nir.NIRGraph(nodes, [("input", "block/fc"), ("block/fc", "output")], type_check=False)
    nir.write(tmp_path / "s.nir", graph)
    with pytest.raises(InputError, match=r"node 'block' has no type, but holds 'fc'.*'block/fc'.*rename that node"):
        nir_file.read(tmp_path / "s.nir")
