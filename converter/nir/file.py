"""Reads and writes .nir files: NIR's HDF5 layout, read as what it is, a file from somebody else.

Layout, as in nir 1.0.6 to 1.0.8: /node is a graph with `type`, `nodes/<name>/...`, `edges` [E, 2] and `metadata`; each
node has `type`, one dataset per field, and `metadata`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.files import atomic_path
from inflor.converter.nir.graph import Edge, Graph, nir_graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.passes.conventions import Conventions
from inflor.converter.passes.pipelines import validate_by
from inflor.converter.primitives.base import primitive, primitive_called
from inflor.converter.primitives.fields import make_node
from inflor.converter.reading.checksum import sign, verify
from inflor.converter.reading.hdf5 import Tree, opened, own_tree, read_tree
from inflor.converter.reading.limits import LARGE


def read(path: str | os.PathLike[str], conventions: Conventions | None = None) -> Graph:
    """Read and validate a .nir file. Memory is taken only after the sizes that the file claims are checked.

    Args:
        conventions: what the file does not say about time.

    Raises:
        InputError: not a readable NIR file, changed after inflor wrote it, not a valid graph (see
            `inflor.converter.nir.validate`), or the conventions do not fit it. Names the file and node.
    """
    source = str(path)
    with opened(source, "a .nir file", "export the model to NIR") as file:
        if not isinstance(file.get("node", getlink=True), h5py.HardLink) or not isinstance(file["node"], h5py.Group):
            raise InputError(f"{source}: is HDF5, but not NIR: it has no group 'node'; export the model to NIR")
        tree = read_tree(file["node"], source)
        verify(file, tree, source)
    kind = tree.get("type")
    if not isinstance(kind, str) or kind != "NIRGraph":
        raise InputError(f"{source}: holds {str(kind)[:80]!r}, not a NIRGraph; export the whole model")
    return validate_by(_graph(tree, f"{source}: its graph", source), source, conventions or Conventions())


def _graph(tree: Tree, where: str, source: str) -> nir.NIRGraph:
    """The tree under /node, or of a graph inside it, as a graph of nodes that nothing has checked yet."""
    nodes, edges = tree.get("nodes"), tree.get("edges")
    if not isinstance(nodes, dict):
        raise InputError(f"{where} has no group 'nodes'; export the model again")
    if not isinstance(edges, np.ndarray) or edges.shape[1:] != (2,) or edges.dtype != object:
        if not isinstance(edges, np.ndarray) or edges.size:
            raise InputError(f"{where} has no list 'edges' of pairs of node names; export the model again")
        edges = np.empty((0, 2), object)
    read = {name: _node(name, node, source) for name, node in nodes.items()}
    return nir_graph(read, [(start, end) for start, end in edges], _metadata(tree, where))


def _node(name: str, tree: Any, source: str) -> nir.NIRNode:
    kind = tree.get("type") if isinstance(tree, dict) else None
    if not isinstance(kind, str):
        parts = tree if isinstance(tree, dict) else {}
        inner = next((key for key, value in parts.items() if isinstance(value, dict) and "type" in value), None)
        if inner is not None:
            raise InputError(
                f"{source}: node {name!r} has no type, but holds {inner!r}, which has: a name with a slash, "
                f"{name + '/' + inner!r}, makes a group within a group; rename that node without the slash"
            )
        raise InputError(f"{source}: node {name!r} has no type; export the model again")
    if kind == "NIRGraph":
        return _graph(tree, f"{source}: the graph {name!r}", source)
    form = primitive_called(kind, source, name)
    where = f"{source}: node {name!r} ({kind})"
    values, known = {}, {"type", "metadata"}
    for field, entry in form.fields.items():
        key = entry.key or field
        known.add(key)
        value = tree.get(key)
        if isinstance(value, dict):
            raise InputError(f"{where}: field {field!r} is a group; it takes a value")
        values[field] = {entry.port: value} if entry.port else value
    if extra := sorted(set(tree) - known):
        raise InputError(f"{where}: has the unknown field {extra[0]!r}; this version does not know what it means")
    return make_node(form.node, values, _metadata(tree, where))


def _metadata(tree: Tree, where: str) -> dict[str, Any]:
    metadata = tree.get("metadata", {})
    if not isinstance(metadata, dict):
        raise InputError(f"{where}: its metadata are not a group")
    return metadata


def write(
    path: str | os.PathLike[str],
    nodes: Mapping[str, nir.NIRNode],
    edges: Iterable[Edge],
    info: ModelInfo,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Check nodes and edges, and write them as a .nir file; see `write_graph`.

    Args:
        nodes: NIR objects; metadata of theirs may be texts, numbers, arrays and mappings of these. Arrays keep their
            dtype.
        info: left out where it is only assumed.
        metadata: further metadata of the graph.

    Raises:
        InputError: the graph is not valid (see `inflor.converter.nir.validate`), or the file cannot be written.
    """
    further = dict(metadata or {})
    if info.says_anything:
        further[METADATA_KEY] = info.to_json()
    write_graph(path, validate(nir_graph(nodes, edges, further), str(path)))


def write_graph(path: str | os.PathLike[str], graph: Graph) -> None:
    """Write a valid graph as a .nir file that any NIR reader opens. The same graph gives the same bytes.

    `nir.read` types grouped convolutions and kernels that are not square wrongly (nir 1.0.8); files with these it opens
    with type_check=False only.

    Raises:
        InputError: the file cannot be written; the old file stays.
    """
    image = _image(graph, graph.as_nir().metadata)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(image)
        file.flush()
        os.fsync(file.fileno())


def _image(graph: Graph, metadata: Mapping[str, Any]) -> bytes:
    """The file's bytes, made in memory: a full disk is then an ordinary error of an ordinary write."""
    with h5py.File("image.nir", "w", driver="core", backing_store=False, track_order=True) as file:
        _put(file, "version", nir.version)
        root = file.create_group("node", track_order=True)
        _put(root, "edges", np.array(graph.edges, dtype=h5py.string_dtype()))
        _put(root, "metadata", metadata)
        # Groups remember the order in which they were filled: the order of evaluation survives.
        entries = root.create_group("nodes", track_order=True)
        for name, node in graph.nodes.items():
            _put_node(entries.create_group(name, track_order=True), node)
        _put(root, "type", "NIRGraph")
        sign(file, own_tree(root))
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _put_node(group: h5py.Group, node: nir.NIRNode) -> None:
    form = primitive(node)
    for field, entry in form.fields.items():
        value = getattr(node, field)
        if entry.port:
            value = np.asarray(value[entry.port], np.int64)
        elif isinstance(value, tuple):
            value = value[0] if entry.scalar else np.array(value, np.int64)
        _put(group, entry.key or field, value)
    if node.metadata:
        _put(group, "metadata", node.metadata)
    _put(group, "type", form.name)


def _put(group: h5py.Group, key: str, value: Any) -> None:
    if isinstance(value, Mapping):
        inner = group.create_group(key, track_order=True)
        for name, entry in value.items():
            _put(inner, name, entry)
    elif isinstance(value, str):
        group.create_dataset(key, data=value, dtype=h5py.string_dtype())
    else:
        array = np.asarray(value)
        if array.dtype.kind == "U":
            array = array.astype(h5py.string_dtype())
        # A compressed data set costs two kilobytes of index.
        worthwhile = array.dtype.kind in "iuf" and array.nbytes > 1024 and not _swells(array)
        options = {"compression": "gzip", "shuffle": True} if worthwhile else {}
        group.create_dataset(key, data=array, track_times=False, **options)


def _swells(array: np.ndarray[Any, Any]) -> bool:
    """Whether a large array is one value over and over, which no reader would take compressed (`refuse_bomb`)."""
    return array.nbytes > LARGE and bool((array == array.flat[0]).mean() > 0.999)
