"""The kinds of file that are mutated: how whole ones are made, changed, signed again, and read."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5_mutants
import numpy as np
import torch
from flip import flip
from signing import sign_again

from inflor.converter.datasets.cifar import read_python
from inflor.converter.datasets.load import load
from inflor.converter.datasets.mnist_style import read_idx
from inflor.converter.datasets.sources.cifar10 import FILES as CIFAR
from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.reading.checksum import KEY, checksum, signed, verify_json
from inflor.converter.reading.hdf5 import own_tree
from inflor.converter.reading.json_text import read_json
from inflor.converter.train import checkpoint
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.networks import build
from inflor.converter.train.neurons import NeuronConfig
from inflor.page import gather
from inflor.quant import file as integer_nir
from inflor.quant.fix.report import QuantReport
from inflor.targets import running
from inflor.targets.equivalence import compare
from inflor.targets.record import file as records
from inflor.targets.spinnaker.place.machine import read_dead

Random = random.Random


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file.

    Attributes:
        suffix: of its name.
        seeds: makes whole files in a folder that holds network.int.nir.
        change: makes a mutant's bytes of a whole file's.
        read: what the product does with a file; says how far it came. InputError where it is refused.
        sign: gives a file the checksum of what it now holds; None where it carries none.
        content: a digest of what a file says, by plain means; None where nothing protects it.
    """

    suffix: str
    seeds: Callable[[Path], list[Path]]
    change: Callable[[bytes, Random], bytes]
    read: Callable[[Path], str]
    sign: Callable[[Path], None] | None = None
    content: Callable[[Path], str] | None = None


def _record_seeds(folder: Path) -> list[Path]:
    network = integer_nir.read(folder / "network.int.nir")
    path = folder / "seed.h5"
    x = np.random.default_rng(1).normal(size=(6, *network.inputs[0].shape)).astype(np.float32)
    running.run(network, "cpu", x, np.arange(6) % 3, out=path, keep_spikes=True)
    return [path]


def _read_record(path: Path) -> str:
    record = records.read(path)
    for p in record.populations:
        if p.name in record.counts and record.path:
            record.spikes(p.name, slice(0, 1))
    try:
        records.as_recorded(integer_nir.read(path.parent.parent / "whole" / "network.int.nir"), record)
    except InputError:
        return "read, but of another network"
    return "of the network"


def _record_content(path: Path) -> str:
    """Of all that a record has; what no record has is nobody's."""
    with h5py.File(path, "r") as file:
        said = [str(file.attrs[name]) for name in ("format", "schema", "timesteps", "samples")]
        data = {name: own_tree(file)[name] for name in ("outputs", "predictions", "labels", "run")}
        data |= {name: {k: g[k][()] for k in ("counts", "spikes") if k in g} for name, g in file["populations"].items()}
        groups = {
            name: [str(group.attrs.get(key)) for key in ("shape", "kind", "depth", "size", "overflows")]
            for name, group in file["populations"].items()
        }
        return checksum({"said": np.array(said), "data": data, "groups": {n: np.array(g) for n, g in groups.items()}})


def _nir_content(path: Path) -> str:
    with h5py.File(path, "r") as file:
        return checksum(own_tree(file["node"]))


def _npz_seeds(folder: Path) -> list[Path]:
    rng = np.random.default_rng(2)
    x, y = rng.random((20, 4, 6)).astype("f4"), np.arange(20) % 4
    np.savez(folder / "whole.npz", x=x, y=y, class_names=np.array(["a", "b", "c", "d"]))
    split = {"x_train": x, "y_train": y, "x_test": (x * 255).astype("u1"), "y_test": y}
    np.savez_compressed(folder / "split.npz", **split)
    return [folder / "whole.npz", folder / "split.npz"]


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(members: list[tuple[str, bytes]], method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def _change_zip(data: bytes, draw: Random, change: Callable[[str, bytes, Random], bytes], method: int) -> bytes:
    if draw.random() < 0.4:
        return flip(data, draw)
    members = list(_members(data).items())
    for _ in range(draw.choice((1, 1, 2, 3))):
        if not members:
            break
        at, how = draw.randrange(len(members)), draw.random()
        name, content = members[at]
        if how < 0.1:
            del members[at]
        elif how < 0.2:
            members.append((draw.choice((name, name + "x", "é", "x.npy")), content))
        elif how < 0.3:
            members[at] = (name, members[draw.randrange(len(members))][1])
        else:
            members[at] = (name, change(name, content, draw))
    # Two members of one name are one of the changes; zipfile says so.
    return _zipped(members, draw.choice((method, method, zipfile.ZIP_DEFLATED)))


def _change_npy(name: str, content: bytes, draw: Random) -> bytes:
    how = draw.random()
    if how < 0.3:
        return flip(content, draw) if content else b"\0"
    if how < 0.6:
        dtype = draw.choice(("|u1", "<f4", "<f8", "<i8", "|S0", "<U9", "|O", "<c8", "|b1", "<M8[s]", "|V7"))
        shape = draw.choice(((), (0,), (20,), (20, 4, 6), (2**40,), (-1, 4), (2**31, 2**31), (20, 0), (1,) * 40))
        header = str({"descr": dtype, "fortran_order": draw.random() < 0.3, "shape": shape}).encode() + b"\n"
        return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + content[128:]
    number = draw.choice(hdf5_mutants.NUMBERS)
    shape = draw.choice((*hdf5_mutants.SHAPES, (20,), (20, 4, 6), (20, 24)))
    buffer = io.BytesIO()
    with np.errstate(all="ignore"):
        array = np.full(shape, number).astype(draw.choice(hdf5_mutants.DTYPES))
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def _npz_content(path: Path) -> str:
    with np.load(path) as arrays:
        return checksum(dict(arrays))


def _pt_seeds(folder: Path) -> list[Path]:
    torch.manual_seed(0)
    network = SpikingNetwork(build("convnet", (1, 8, 8), 3, 2), NeuronConfig(), 2)
    checkpoint.save_model(folder / "small.pt", network, ModelInfo(timesteps=2))
    training = {"epoch": 1, "history": [{"loss": 0.5}], "state": {"a": torch.ones(3)}}
    checkpoint.save_model(folder / "training.pt", network, ModelInfo(timesteps=2), training=training)
    return [folder / "small.pt", folder / "training.pt"]


def _change_pickle(name: str, content: bytes, draw: Random) -> bytes:
    if not name.endswith(".pkl") or draw.random() < 0.5 or len(content) < 4:
        return flip(content, draw) if content else b"\0"
    return _with_operations(content, draw)


OPERATIONS = (
    *(b"](", b"}", b")", b"0", b"1", b"2", b"(", b"t", b"\x85", b"\x86", b"\x87", b"e", b"u", b"s", b"a", b"R", b"b"),
    *(b"N", b"K\x01", b"h\x00", b"h\x05", b"q\x03", b"r\xff\xff\xff\x0f", b"cos\nsystem\n", b"cnumpy\ndtype\n"),
    *(b"X\xff\xff\xff\x7f", b"\x8a\xff", b"I99999999999999999999\n", b"F1e999\n", b"\x94", b"\x8c\x03abc", b"Q"),
    *(b"](" + b"h\x00" * 10 + b"e", b"]" * 2000, b")" + b"\x85" * 3000, b"\x93", b"\x81", b"l", b"d", b"o", b"i"),
)


def _with_operations(content: bytes, draw: Random) -> bytes:
    """A pickle with operations put between others, of which many then go wrong."""
    ends = [position for _, _, position in _operations(content) if position is not None][1:]
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.choice(ends) if ends else 2
        content = content[:at] + draw.choice(OPERATIONS) * draw.choice((1, 1, 1, 3)) + content[at:]
    return content


def _operations(content: bytes) -> list[tuple[Any, Any, int | None]]:
    try:
        return list(pickletools.genops(content))
    except ValueError:
        return []


def _pt_content(path: Path) -> str:
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    state = {name: value.numpy() for name, value in loaded["state_dict"].items()}
    rest = {key: str(value) for key, value in loaded.items() if key != "state_dict"}
    return checksum({"state": state, **rest})


def _cifar_seeds(folder: Path) -> list[Path]:
    rng = np.random.default_rng(3)
    pixels, labels = rng.integers(0, 256, (4, 3072)).astype("u1"), [1, 2, 3, 0]
    for protocol in (2, 4):
        batch = pickle.dumps({b"data": pixels, b"labels": labels}, protocol)
        (folder / f"batch{protocol}.pickle").write_bytes(batch)
    return [folder / "batch2.pickle", folder / "batch4.pickle"]


def _idx_seeds(folder: Path) -> list[Path]:
    data = b"\0\0\x08\x03" + struct.pack(">3I", 5, 6, 7) + bytes(range(210))
    (folder / "images.idx").write_bytes(data)
    return [folder / "images.idx"]


def _gz_seeds(folder: Path) -> list[Path]:
    (folder / "images.gz").write_bytes(gzip.compress(_idx_seeds(folder)[0].read_bytes(), mtime=0))
    return [folder / "images.gz"]


def _change_gz(data: bytes, draw: Random) -> bytes:
    return flip(data, draw) if draw.random() < 0.5 else gzip.compress(flip(gzip.decompress(data), draw), mtime=0)


def _json_seeds(folder: Path) -> list[Path]:
    network = integer_nir.read(folder / "network.int.nir")
    x = np.random.default_rng(1).integers(-64, 64, (2, *network.inputs[0].shape))
    verdict = compare.check(network, ("cpu", "spinnaker"), x)
    (folder / "verdict.check").write_text(json.dumps(signed(verdict.as_dict())))
    return [folder / "verdict.check"]


def _losses_seeds(folder: Path) -> list[Path]:
    return [folder / "losses.quant"]  # made with the network


def _change_json(data: bytes, draw: Random) -> bytes:
    if draw.random() < 0.3:
        return flip(data, draw)
    plain = json.loads(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        holder: Any = plain
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(holder[key], dict | list) and holder[key] and draw.random() < 0.7:
                holder = holder[key]
                continue
            if draw.random() < 0.2:
                del holder[key]
            else:
                holder[key] = draw.choice(_VALUES)
            break
    text = json.dumps(plain)
    if draw.random() < 0.15:
        text = text.replace(":", draw.choice((":" + "[" * 3000, ": -", ": 1e999, ", ":::")), 1)
    return text.encode()


_VALUES = (
    *(None, True, "", "x", "<b>x</b>", "\ud800", [], {}, [1], [[1, 2, 3]], {"a": 1}, 0, -1, 1, 2, 255, 2**31, 2**63),
    *(10**300, 1e300, float("nan"), float("inf"), 0.5, "\x1b[31m", "x" * 3000, [0] * 300),
)


def _sign_json(path: Path) -> None:
    try:
        plain = json.loads(path.read_text())
        path.write_text(json.dumps(signed({k: v for k, v in plain.items() if k != KEY})))
    except (ValueError, AttributeError, RecursionError):
        return  # it is no object any more


def _json_content(path: Path) -> str:
    plain = json.loads(path.read_text())
    assert KEY in plain, "a file of an earlier version, which nothing protects"
    return str(signed({key: value for key, value in plain.items() if key != KEY})[KEY])  # in which 0.0 is 0


def _read_verdict(path: Path) -> str:
    gather.verdict(verify_json(read_json(path, "a verdict"), str(path)), "Read", str(path))
    return "read"


def _read_losses(path: Path) -> str:
    try:
        QuantReport.from_plain(verify_json(read_json(path, "a report"), str(path)))
    except ValueError as error:
        raise InputError(str(error), path=path) from error
    return "read"


def _dead_seeds(folder: Path) -> list[Path]:
    (folder / "parts.dead").write_text('{"chips": [[1, 2], [3, 3]], "cores": [[0, 0, 5]], "links": [[2, 2, 1]]}')
    return [folder / "parts.dead"]


def _read_dead(path: Path) -> str:
    read_dead(path)
    return "read"


def _nir_seeds(folder: Path) -> list[Path]:
    return hdf5_mutants.seeds(folder)


def _loaded(path: Path) -> str:
    load(path)
    return "loaded"


def _model(path: Path) -> str:
    checkpoint.load_model(path)
    return "loaded"


def _batch(path: Path) -> str:
    read_python(path, CIFAR)
    return "loaded"


def _images(path: Path) -> str:
    read_idx(path)
    return "loaded"


def _change_npz(data: bytes, draw: Random) -> bytes:
    return _change_zip(data, draw, _change_npy, zipfile.ZIP_STORED)


def _change_pt(data: bytes, draw: Random) -> bytes:
    return _change_zip(data, draw, _change_pickle, zipfile.ZIP_STORED)


def _change_batch(data: bytes, draw: Random) -> bytes:
    return flip(data, draw) if draw.random() < 0.5 else _with_operations(data, draw)


KINDS = {
    "nir": Kind(
        suffix=".nir",
        seeds=_nir_seeds,
        change=hdf5_mutants.change_graph,
        read=hdf5_mutants.read_and_run,
        sign=sign_again,
        content=_nir_content,
    ),
    "record": Kind(
        suffix=".h5",
        seeds=_record_seeds,
        change=hdf5_mutants.change_record,
        read=_read_record,
        sign=sign_again,
        content=_record_content,
    ),
    "npz": Kind(suffix=".npz", seeds=_npz_seeds, change=_change_npz, read=_loaded),
    "pt": Kind(suffix=".pt", seeds=_pt_seeds, change=_change_pt, read=_model),
    "cifar": Kind(suffix=".pickle", seeds=_cifar_seeds, change=_change_batch, read=_batch),
    "idx": Kind(suffix=".idx", seeds=_idx_seeds, change=flip, read=_images),
    "idx.gz": Kind(suffix=".gz", seeds=_gz_seeds, change=_change_gz, read=_images),
    "verdict": Kind(
        suffix=".check",
        seeds=_json_seeds,
        change=_change_json,
        read=_read_verdict,
        sign=_sign_json,
        content=_json_content,
    ),
    "losses": Kind(
        suffix=".quant",
        seeds=_losses_seeds,
        change=_change_json,
        read=_read_losses,
        sign=_sign_json,
        content=_json_content,
    ),
    "dead": Kind(suffix=".dead", seeds=_dead_seeds, change=_change_json, read=_read_dead),
}


def whole_files(folder: Path) -> dict[str, list[Path]]:
    """Files of every kind, and the network that records and reports are of."""
    hdf5_mutants.integer_network(folder / "network.int.nir", folder / "losses.quant")
    return {name: kind.seeds(folder) for name, kind in KINDS.items()}
