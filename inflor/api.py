"""The verbs of the command line as functions: they find files, call the stages in order and remember provenance."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from converter import checkpoint, datasets, export, nir_file, training
from converter.datasets import Dataset
from converter.errors import InputError
from converter.graph import Graph
from converter.neurons import NeuronConfig
from converter.threads import torch_threads
from converter.training import TrainResult
from inflor.fit import check_fit
from inflor.provenance import made_from, sha256, versions
from quant import integer_nir
from quant import quantize as stage2
from quant.network import IntegerNetwork
from quant.quantize import Granularity, Options
from quant.report import QuantReport
from targets import equivalence, registry, running
from targets import record as records
from targets.equivalence import Equivalence
from targets.record import Record

PathLike: TypeAlias = str | os.PathLike[str]
Network: TypeAlias = Graph | IntegerNetwork
Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with how much is done, how much there is, and what is being done."""


@dataclass(frozen=True)
class Conversion:
    """A float graph. notes: what changed its form, for the user. path: where it was written, None if nowhere."""

    graph: Graph
    notes: tuple[str, ...]
    path: Path | None


@dataclass(frozen=True)
class Quantised:
    """An integer network and what rounding cost. path: where it was written, None if nowhere."""

    network: IntegerNetwork
    report: QuantReport
    path: Path | None


@dataclass(frozen=True)
class Placed:
    """A network placed on a target. plan: the target's own; description: all of it as plain data for JSON."""

    plan: Any
    description: Mapping[str, Any]


@dataclass(frozen=True)
class TargetInfo:
    """A target that is registered. missing: None, or the command that installs what it needs."""

    name: str
    summary: str
    input: str
    options: tuple[str, ...]
    missing: str | None


def train(
    dataset: Dataset | PathLike,
    model: str = "convnet",
    *,
    out: PathLike,
    resume: bool = False,
    data_dir: PathLike | None = None,
    neuron: NeuronConfig | str | None = None,
    surrogate: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> TrainResult:
    """Train a network and write model.pt, metrics.json and checkpoint.pt to the folder `out`.

    dataset: a built-in name, the path of an .npz, or the data itself. model: a name of `converter.networks.NETWORKS`.
    neuron: a kind ("srif", "if", "lif") or a whole configuration. settings: fields of `converter.training.TrainConfig`
    (timesteps, epochs, batch_size, learning_rate, optimizer, seed, ...); those left out are what works for the data.

    Raises:
        InputError: see `converter.training.train`.
    """
    data = load_dataset(dataset, data_dir)
    if neuron is not None or surrogate is not None:
        if not isinstance(neuron, NeuronConfig):
            neuron = NeuronConfig.preset(neuron or "srif")
        settings["neuron"] = neuron if surrogate is None else replace(neuron, surrogate=surrogate)  # type: ignore[arg-type]
    config = training.default_config(data.name, model, **{k: v for k, v in settings.items() if v is not None})
    watch = None if progress is None else _watch_training(progress)
    with torch_threads(threads):
        return training.train(data, config, Path(out), resume=resume, progress=watch)


def convert(model: PathLike, out: PathLike | None = None) -> Conversion:
    """A model.pt as a float NIR graph, or a .nir file validated; written to `out` if it is given.

    Raises:
        InputError: the file is damaged, not a valid network, or `out` is the file itself.
    """
    refuse_overwrite(out, model)
    if kind_of(model) == "checkpoint":
        network, info = checkpoint.load_model(model)
        provenance = made_from(model, **({"trained_with": info.version} | dict(info.provenance)))
        graph, notes = export.to_nir(network, replace(info, provenance=provenance))
    else:
        graph, notes = nir_file.read(model), []
        if not graph.info.known:
            notes.append(
                f"The file says nothing about time, input scaling or classes: {graph.info.timesteps} timesteps, "
                "unscaled input and numbered classes are assumed."
            )
    if out is not None:
        nir_file.write(out, graph.nodes, graph.edges, graph.info, graph.metadata)
    return Conversion(graph, tuple(notes), None if out is None else Path(out))


def quantize(
    graph: Graph | PathLike,
    *,
    calibrate: Dataset | PathLike,
    bits: int = 8,
    granularity: Granularity = "channel",
    samples: int = 256,
    clip: bool = True,
    compensate: bool = True,
    correct_bias: bool = True,
    seed: int = 0,
    data_dir: PathLike | None = None,
    out: PathLike | None = None,
    progress: Progress | None = None,
) -> Quantised:
    """Fix a float graph to integers, calibrated on the train split of a data set; written to `out` if it is given.

    bits: of the weights, 2 to 8. granularity: one scale per output channel or per population. samples: most calibration
    images used. clip: choose the step by output error instead of by the largest weight. compensate: let
    the roundings of one output make up for each other. correct_bias: make the mean current of every channel what it was
    in float.

    Raises:
        InputError: the graph has no integer form, or the data do not fit it; names both.
    """
    options = Options(bits, granularity, clip, compensate, correct_bias, samples, seed)
    source = graph.source if isinstance(graph, Graph) else os.fspath(graph)
    before = {"made_from": source} if isinstance(graph, Graph) else made_from(graph)
    graph = graph if isinstance(graph, Graph) else nir_file.read(graph)
    if graph.info.stage != "float":
        raise InputError(f"{source}: is an integer network already; quantise the float file that it was made from")
    refuse_overwrite(out, source)
    data = load_dataset(calibrate, data_dir)
    check_fit(graph, data)
    watch = None if progress is None else lambda name, done, total: progress(done, total, name)
    network, report = stage2.quantize(graph, graph.info.normalise(data.x_train), data.y_train, options, watch)
    provenance = {
        **before,
        "calibration": {"dataset": data.name, "split": "train", "samples": report.samples},
        "options": asdict(options),
        "versions": versions(),
        "float": dict(graph.info.provenance),
    }
    network = replace(network, info=replace(network.info, provenance=provenance))
    if out is not None:
        integer_nir.write(out, network)
    return Quantised(network, report, None if out is None else Path(out))


def run(
    network: Network | PathLike,
    *,
    dataset: Dataset | PathLike,
    split: str = "test",
    samples: int | None = None,
    target: str | None = None,
    out: PathLike | None = None,
    spikes: bool | None = None,
    data_dir: PathLike | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Record:
    """Run the first `samples` (None: all) of a split on a target; the record is written to `out` if it is given.

    target: None means "float" for a float network and "cpu" for an integer one. spikes: keep every one, in the file or
    in memory; None keeps them where there is a file. options: of the target, e.g. memory (bytes), threads, device,
    state_bits, overflow for "cpu".

    Raises:
        InputError: the data do not fit the network (names both), or the target refuses it. MissingPartError: the target
            is not installed.
    """
    if samples is not None and samples < 1:
        raise InputError(f"{samples} samples: run at least 1")
    about: dict[str, Any] = {}
    if not isinstance(network, Graph | IntegerNetwork):
        refuse_overwrite(out, network)
        about["sha256"] = sha256(network)
        network = load_network(network)
    data = load_dataset(dataset, data_dir)
    check_fit(network, data)
    images, labels = datasets.split(data, split)
    x, y = network.info.normalise(images[:samples]), labels[:samples]
    about |= {"dataset": data.name, "split": split, "samples": len(x), "versions": versions()}
    return running.run(
        network,
        target or ("float" if isinstance(network, Graph) else "cpu"),
        x,
        y,
        out=out,
        keep_spikes=spikes,
        options={name: value for name, value in options.items() if value is not None},
        provenance=about,
        progress=None if progress is None else lambda done, total: progress(done, total, "samples"),
    )


def to_netx(model: PathLike, out: PathLike) -> tuple[str, ...]:
    """Write an integer network as a netx file, which lava-dl reads; returns notes for the user.

    Raises:
        InputError: a float network, or one that netx cannot express; names the first node that it cannot.
    """
    from targets.loihi import netx

    refuse_overwrite(out, model)
    network = load_network(model)
    if not isinstance(network, IntegerNetwork):
        raise InputError(f"{os.fspath(model)}: is a float network; make an integer one first with: inflor quantize")
    return tuple(netx.write(out, network))


def to_spynnaker(model: PathLike, out: PathLike, **options: Any) -> tuple[str, ...]:
    """Write an integer network as a sPyNNaker script (and its arrays, .npz); returns notes for the user.

    options: those of the target spinnaker.

    Raises:
        InputError: a float network, or one that stock neurons cannot express; names the first such population.
    """
    from targets.spinnaker import script

    refuse_overwrite(out, model)
    network = load_network(model)
    if not isinstance(network, IntegerNetwork):
        raise InputError(f"{os.fspath(model)}: is a float network; make an integer one first with: inflor quantize")
    return script.write(network, out, **options)


def place(
    network: IntegerNetwork | PathLike,
    target: str = "spinnaker",
    *,
    record: PathLike | None = None,
    draw: PathLike | None = None,
    **options: Any,
) -> Placed:
    """Place an integer network on a target's cores. record: a run of it, whose spike rates weigh the traffic.

    draw: where to draw the board. options: those of the target.

    Raises:
        InputError: a float network, an option that the target does not have, a target that places nothing, or no fit.
        MissingPartError: the target, or what draws, is not installed.
    """
    source = os.fspath(network) if not isinstance(network, IntegerNetwork) else network.source
    loaded = network if isinstance(network, IntegerNetwork) else load_network(network)
    if not isinstance(loaded, IntegerNetwork):
        raise InputError(f"{source}: is a float network; make an integer one first with: inflor quantize {source}")
    module: Any = registry.find(target)  # a plan needs nothing of what a run does
    if not hasattr(module, "describe"):
        raise InputError(f"target {target!r} has no cores to place on")
    if draw is not None and not hasattr(module, "draw"):
        raise InputError(f"target {target!r} has no board to draw; leave out --draw")
    given = {name: value for name, value in options.items() if value is not None}
    unknown = sorted(set(given) - set(module.OPTIONS))
    if unknown:
        raise InputError(f"target {target!r} has no option {', '.join(unknown)}; it has {', '.join(module.OPTIONS)}")
    if record is not None:
        given["rates"] = _rates(records.read(record))
    plan = module.place(loaded, **given)
    if draw is not None:
        module.draw(plan, draw)
    return Placed(plan, module.describe(plan))


def _rates(record: Record) -> dict[str, float]:
    """Spikes per neuron and step of every population that fires."""
    sizes = {p.name: p.size * record.timesteps * record.samples for p in record.populations}
    return {name: float(counts.sum()) / sizes[name] for name, counts in record.counts.items()}


def check(
    network: IntegerNetwork | PathLike,
    targets: Sequence[str],
    *,
    dataset: Dataset | PathLike,
    split: str = "test",
    samples: int = 4,
    data_dir: PathLike | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Equivalence:
    """Run the first `samples` of a split on every target and compare every spike of every population.

    options: each goes to those of the targets that have it, e.g. soft_reset to "loihi".

    Raises:
        InputError: a float network, fewer than two targets, an option that none has, or what a target refuses.
        MissingPartError: a target is not installed.
    """
    if samples < 1:
        raise InputError(f"{samples} samples: compare at least 1")
    source = os.fspath(network) if not isinstance(network, IntegerNetwork) else network.source
    loaded = network if isinstance(network, IntegerNetwork) else load_network(network)
    if not isinstance(loaded, IntegerNetwork):
        raise InputError(f"{source}: is a float network; make an integer one first with: inflor quantize {source}")
    data = load_dataset(dataset, data_dir)
    check_fit(loaded, data)
    given = {name: value for name, value in options.items() if value is not None}
    takes = {name: set(registry.load(name).OPTIONS) for name in targets}
    unknown = sorted(set(given) - set().union(*takes.values()))
    if unknown:
        raise InputError(f"none of the targets {', '.join(targets)} has the option {', '.join(unknown)}")
    images, _ = datasets.split(data, split)
    inputs = loaded.quantise_input(loaded.info.normalise(images[:samples]))
    chosen = {name: {k: v for k, v in given.items() if k in takes[name]} for name in targets}
    watch = None if progress is None else lambda done, total: progress(done, total, "samples")
    return equivalence.check(loaded, targets, inputs, chosen, watch)


def targets() -> tuple[TargetInfo, ...]:
    """Every target that is registered, whether it can run here or not."""
    found = {name: registry.find(name) for name in registry.names()}
    return tuple(
        TargetInfo(name, module.SUMMARY, module.INPUT, tuple(module.OPTIONS), module.available())
        for name, module in found.items()
    )


def load_dataset(dataset: Dataset | PathLike, data_dir: PathLike | None = None) -> Dataset:
    """The data set itself, or the one of a built-in name or path."""
    return dataset if isinstance(dataset, Dataset) else datasets.load(dataset, data_dir)


def load_network(path: PathLike) -> Network:
    """A .nir file: a graph if it is a float one, an integer network if it says so.

    Raises:
        InputError: not a valid network; a model.pt has to be converted first.
    """
    if kind_of(path) == "checkpoint":
        raise InputError(f"{path}: is a model.pt; make a .nir of it first with: inflor convert {path}")
    graph = nir_file.read(path)
    return integer_nir.from_graph(graph) if graph.info.stage == "integer" else graph


def kind_of(path: PathLike) -> str:
    """Which reader a file needs: "checkpoint" for a torch archive, "hdf5" for all else (its reader says what is wrong).

    Raises:
        InputError: the file cannot be opened.
    """
    if not os.path.isfile(path):  # a folder or a device: the .nir reader refuses it by name
        return "hdf5"
    try:
        with open(path, "rb") as file:
            archive = file.read(2) == b"PK"
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    return "checkpoint" if archive or Path(path).suffix in (".pt", ".pth") else "hdf5"


def refuse_overwrite(out: PathLike | None, source: PathLike) -> None:
    """Refuse to write over the input.

    Raises:
        InputError: `out` is the file `source`.
    """
    if out is not None and os.path.exists(out) and os.path.exists(source) and os.path.samefile(out, source):
        raise InputError(f"{out}: is the input itself; name another file with --out")


def _watch_training(progress: Progress) -> training.Progress:
    def watch(now: Mapping[str, Any]) -> None:
        done = (now["epoch"] - 1) * now["batches"] + now["batch"]
        progress(done, now["epochs"] * now["batches"], f"epoch {now['epoch']}/{now['epochs']} loss {now['loss']:.3f}")

    return watch
