"""Digests of everything that the networks of `golden_networks` are turned into, by the command line alone.

    python tests/support/golden.py [NETWORK ...]   # writes tests/end_to_end/golden.json, or these networks in it

An artifact is a mapping of keys to digests, or "refused". Paths, versions, digests of files and times are left out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import nir
import numpy as np
import torch
from command_line import invoke
from golden_networks import NETWORKS, Draw, Network, data, graph
from signing import sign_again

from inflor.converter.nir.metadata import RECTIFIED

GOLDEN = Path(__file__).resolve().parents[1] / "end_to_end" / "golden.json"
REFUSED = "refused"
BAD_INPUT = 2
DIGITS = 12
VARYING = ("version", "versions", "trained_with", "sha256", "checksum", "network", "batch", RECTIFIED)
"""Keys that say from what file and by which version something was made, and how much memory it was made in; and one
that the files of the first version did not have."""
ASSUMED = 4
"""Steps that the first version took where neither the file nor the data said a number."""
PATHS = ("model", "record")
"""The same, of what --json prints."""
TIMED = re.compile(r".*seconds|samples_per_second|os_processes")
PLANS = {
    "loihi": ("--target", "loihi"),
    "loihi1_stock": ("--target", "loihi", "--chip", "loihi1", "--soft-reset", "stock"),
    "spinnaker": ("--target", "spinnaker"),
    "spinnaker2_stock": ("--target", "spinnaker", "--chip", "spinnaker2", "--neurons", "stock"),
}
ESTIMATED = ("loihi1", "loihi2", "cmos45")
"""Where a network costs something that spikes to the end; the estimate for SpiNNaker fails with it."""

Digests: TypeAlias = dict[str, str]
Artifacts: TypeAlias = dict[str, Digests | str]


def artifacts(name: str, folder: Path) -> Artifacts:
    """Digests of all that a network is turned into; `folder` is for its files.

    exported: the file of a trained family, before its weights are replaced. float, integer: the .nir files. report: of
    the quantization. float_run, cpu, loihi, spinnaker: records. estimate: of the run on cpu. netx, spynnaker: the files
    of these tools. plan_*: what `inflor place` writes.
    """
    network, found = NETWORKS[name], Artifacts()
    samples = folder / "samples.npz"
    np.savez(samples, **data(name))
    raw, model, integers, report = (folder / f for f in ("raw.nir", "model.nir", "model.int.nir", "report.json"))
    if network.train:
        found["exported"] = _export(name, network, folder, samples, model)
    else:
        nir.write(raw, graph(name))
        _must("convert", raw, *network.convert, "--out", model)
    found["float"] = file_digests(model)
    portable = folder / "portable.nir"
    made = _do("convert", model, "--portable", "--out", portable)
    found["portable"] = file_digests(portable) if made else REFUSED
    steps = () if network.says_time or network.frames else ("--timesteps", ASSUMED)
    found["float_run"] = _record(model, "float", samples, 8, folder, network.exact, more=steps)
    out = ("--out", integers, "--report", report)
    if not _do("quantize", model, "--calibrate", samples, "--samples", 16, *steps, *network.quantize, *out):
        return found | {"integer": REFUSED}
    found["integer"] = file_digests(integers)
    found["report"] = plain_digests(report.read_text(), folder)
    found["cpu"] = _record(integers, "cpu", samples, 8, folder)
    cores = ("--neurons-per-core", 64 if network.train else 4, "--cores-per-chip", 4)
    found["spinnaker"] = _record(integers, "spinnaker", samples, 2, folder, more=cores)
    if network.loihi is not None and importlib.util.find_spec("lava") is not None:
        found["loihi"] = _record(integers, "loihi", samples, 1, folder, more=network.loihi)
    if not network.large and found["cpu"] != REFUSED:
        found["estimate"] = _estimate(integers, folder / "cpu.h5", ESTIMATED if network.spikes_out else ())
    found |= _exports(integers, folder)
    for plan, options in PLANS.items():
        placed = folder / f"{plan}.json"
        few = cores if "spinnaker" in plan else ()
        found[f"plan_{plan}"] = (
            plain_digests(placed.read_text(), folder)
            if _do("place", integers, *options, *few, "--out", placed)
            else REFUSED
        )
    return found


def _export(name: str, network: Network, folder: Path, samples: Path, model: Path) -> Digests:
    """Train for an epoch, export with weights and statistics that are drawn, then give the export's layers drawn ones.

    What training makes of weights, and what is left of a normalization when it is folded, differs from one processor to
    the next or is on no grid.
    """
    _must(
        "train", "--dataset", samples, *network.train, "--epochs", 1, "--threads", 1, "--device", "cpu", "--out", folder
    )
    checkpoint, draw = folder / "model.pt", Draw(f"weights of {name}")
    content = torch.load(checkpoint, weights_only=True)
    for key, value in content["state_dict"].items():
        least, most = (0.5, 1.5) if key.endswith("running_var") else (-0.5, 0.75)
        if value.is_floating_point():
            value.copy_(torch.from_numpy(draw.numbers(tuple(value.shape), least, most)))
    torch.save(content, checkpoint)
    _must("convert", checkpoint, "--out", model)
    exported = file_digests(model)
    leaky = "lif" in network.train  # such neurons take more to fire
    lean = 0.75 if leaky else 0.9375
    with h5py.File(model, "r+") as file:
        for node in file["node/nodes"].values():
            if "weight" in node:
                node["weight"][...] = draw.weights(node["weight"].shape, lean)
            if "bias" in node:
                node["bias"][...] = draw.numbers(node["bias"].shape, -0.125, 0.1875 if leaky else 0.125)
    sign_again(model)
    return exported


def _estimate(integers: Path, record: Path, hardware: tuple[str, ...]) -> Digests:
    chosen = [part for name in hardware for part in ("--hardware", name)]
    result = invoke("estimate", integers, "--record", record, *chosen, "--json")
    assert result.exit_code == 0, result.stderr
    return plain_digests(result.stdout, record.parent)


def _exports(integers: Path, folder: Path) -> Artifacts:
    found: Artifacts = {}
    netx, script = folder / "model.net", folder / "model.py"
    found["netx"] = found["spynnaker"] = REFUSED
    if _do("convert", integers, "--to", "netx", "--out", netx):
        with h5py.File(netx, "r") as file:
            found["netx"] = {"layers": _digest(_contents(file))}
    if _do("convert", integers, "--to", "spynnaker", "--out", script):
        text = _without(folder, script.read_text())
        with np.load(folder / "model.py.npz") as arrays:
            found["spynnaker"] = {"script": _digest(text), "arrays": _digest({k: _array(v) for k, v in arrays.items()})}
    return found


def _must(*arguments: object) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 0, f"inflor {' '.join(map(str, arguments))}: {result.stderr.strip()}"


def _do(command: str, model: object, *options: object) -> bool:
    """Whether the command line did it; False if it refused the model, naming it. Anything else is an error."""
    result = invoke(command, model, *options)
    if result.exit_code == BAD_INPUT and result.stderr.startswith(f"error: {model}: "):
        print(f"{command}: {result.stderr.strip()[:300]}", file=sys.stderr)
        return False
    assert result.exit_code == 0, f"inflor {command} {model} {' '.join(map(str, options))}: {result.stderr.strip()}"
    return True


def _record(
    model: Path,
    target: str,
    samples: Path,
    count: int,
    folder: Path,
    exact: bool = True,
    more: tuple[object, ...] = (),
) -> Digests | str:
    out = folder / f"{target}.h5"
    threads = () if target in ("loihi", "spinnaker") else ("--threads", 1)
    data_options = ("--dataset", samples, "--samples", count)
    if not _do("run", model, "--target", target, *data_options, *threads, *more, "--out", out):
        return REFUSED
    return record_digests(out, exact)


def file_digests(path: Path) -> Digests:
    """Of a .nir file: its nodes in their order, its edges, its metadata, and each field, of all nodes together."""
    parts: dict[str, list[Any]] = {"nodes": [], "edges": [], "metadata": []}
    with h5py.File(path, "r") as file:
        root = file["node"]
        parts["edges"] = [[end.decode() for end in edge] for edge in root["edges"][()]]
        parts["metadata"].append(["graph", _contents(root.get("metadata", {}))])
        for name, node in root["nodes"].items():
            parts["nodes"].append([name, node["type"][()].decode()])
            parts["metadata"].append([name, _contents(node.get("metadata", {}))])
            for field in sorted(set(node) - {"type", "metadata"}):
                parts.setdefault(field, []).append([name, _contents(node[field])])
    return {key: _digest(value) for key, value in sorted(parts.items())}


def _contents(item: Any) -> Any:
    """A group or data set as plain data: arrays by dtype, shape and bytes, JSON in texts parsed."""
    if isinstance(item, Mapping):
        return {key: _contents(value) for key, value in item.items()}
    value = item[()]
    if isinstance(value, bytes):
        text = value.decode()
        try:
            return _lasting(json.loads(text))
        except ValueError:
            return text
    if item.dtype.kind == "O":
        return [entry.decode() for entry in np.ravel(value)]
    return _array(np.asarray(value))


def record_digests(path: Path, exact: bool = True) -> Digests:
    """Of a record.h5. exact: take outputs bit by bit; else to a 64th, because they are float and round differently."""
    with h5py.File(path, "r") as file:
        run = json.loads(_without(path.parent, file["run"][()].decode()))
        populations = file["populations"]
        parts: dict[str, Any] = {
            "populations": [[name, _attributes(group)] for name, group in populations.items()],
            "attributes": {key: value for key, value in _attributes(file).items() if key not in ("run", "sha256")},
            "outputs": [
                [name, _array(values[()] if exact else np.rint(values[()] * 64).astype(int))]
                for name, values in file.get("outputs", {}).items()
            ],
            **{
                key: [[name, _array(group[key][()])] for name, group in populations.items() if key in group]
                for key in ("counts", "spikes")
            },
            **{key: _array(file[key][()]) for key in ("predictions", "labels")},
            "run": _lasting(run),
        }
    return {key: _digest(value) for key, value in sorted(parts.items())}


def _attributes(item: Any) -> dict[str, Any]:
    plain = {key: v.tolist() if isinstance(v, np.ndarray | np.generic) else v for key, v in sorted(item.attrs.items())}
    return {key: value.decode() if isinstance(value, bytes) else value for key, value in plain.items()}


def plain_digests(text: str, folder: Path) -> Digests:
    """Of a JSON object, by key; numbers to 6 digits, because sums of floats round differently elsewhere."""
    plain = json.loads(_without(folder, text))
    return {key: _digest(value) for key, value in sorted(_lasting(plain).items()) if key not in PATHS}


def _without(folder: Path, text: str) -> str:
    return text.replace(f"{folder}/", "")


def _lasting(plain: Any) -> Any:
    """JSON without what varies from run to run and from machine to machine."""
    if isinstance(plain, Mapping):
        return {key: _lasting(v) for key, v in plain.items() if key not in VARYING and not TIMED.fullmatch(key)}
    if isinstance(plain, list | tuple):
        return [_lasting(value) for value in plain]
    return float(f"{plain:.6g}") if isinstance(plain, float) else plain


def _array(values: np.ndarray[Any, Any]) -> list[Any]:
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return [little.dtype.str, list(values.shape), hashlib.sha256(little.tobytes()).hexdigest()]


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:DIGITS]


def first_difference(name: str, wanted: Artifacts, found: Artifacts) -> str | None:
    """Where the digests of a network differ first, in words; None where they agree. An artifact not made is no error
    where the part that makes it is not installed."""
    optional = {"loihi"} if importlib.util.find_spec("lava") is None else set()
    for artifact in [*wanted, *(set(found) - set(wanted))]:
        before, now = wanted.get(artifact), found.get(artifact)
        if before == now or (now is None and artifact in optional):
            continue
        if not isinstance(before, dict) or not isinstance(now, dict):
            said = [
                side if isinstance(side, str) else "not there" if side is None else "made" for side in (before, now)
            ]
            return f"network {name!r}, artifact {artifact!r}: was {said[0]}, is {said[1]}"
        keys = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
        return f"network {name!r}, artifact {artifact!r}, key {keys[0]!r}: differs (in all: {', '.join(keys)})"
    return None


def load() -> dict[str, Artifacts]:
    known: dict[str, Artifacts] = json.loads(GOLDEN.read_text())
    return known


def _write(known: Mapping[str, Artifacts]) -> None:
    """A line per artifact."""
    entries = []
    for name in NETWORKS:
        lines = [f"    {json.dumps(artifact)}: {json.dumps(digests)}" for artifact, digests in known[name].items()]
        entries.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n  }")
    GOLDEN.write_text("{\n" + ",\n".join(entries) + "\n}\n")


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(NETWORKS)
    made = load() if GOLDEN.exists() else {}
    for chosen_name in chosen:
        print(chosen_name, file=sys.stderr)
        with tempfile.TemporaryDirectory() as temporary:
            made[chosen_name] = artifacts(chosen_name, Path(temporary))
    _write(made)
