"""inflor.from_torch"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from inflor.api.loading import PathLike, load_dataset
from inflor.converter.datasets import load as datasets
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError
from inflor.converter.modules.compare import ImportComparison, compare
from inflor.converter.modules.importing import Import, to_graph, unwrapped
from inflor.converter.modules.layouts import TIMES, Time
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph, Shape
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.passes.base import run_passes
from inflor.provenance import versions
from inflor.quant.passes.pipeline import ADD_READOUTS, fuse

Example: TypeAlias = Sequence[int] | Tensor | npt.NDArray[Any]
RANDOM = "random numbers in [0, 1)"


@dataclass(frozen=True)
class Imported:
    """A torch module as a float graph.

    Attributes:
        graph: what was made of it.
        notes: how it was read, and what changed its form, for the user.
        comparison: every population beside the module's own.
        path: where it was written; None if nowhere, as where something but a tie differs.
    """

    graph: Graph
    notes: tuple[str, ...]
    comparison: ImportComparison
    path: Path | None


def from_torch(
    module: nn.Module,
    example: Example,
    timesteps: int | None = None,
    *,
    out: PathLike | None = None,
    data: Dataset | PathLike | Tensor | npt.NDArray[Any] | None = None,
    samples: int = 16,
    time: Time | None = None,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    input_mean: Sequence[float] = (0.0,),
    input_std: Sequence[float] = (1.0,),
    seed: int = 0,
) -> Imported:
    """A torch module as a float NIR graph, compared with it on samples, and written to `out` if it is given.

    The module is run twice on random numbers, in evaluation mode, and stays as it was (docs/import.md).

    Args:
        module: in any mode; wrapped by torch.compile or DataParallel it is unwrapped.
        example: the shape of one sample, without batch and time, or such a sample.
        timesteps: T; None takes the number of a loop in the module.
        out: the .nir to write, where nothing but ties differs.
        data: real samples to compare on, of a data set's test split or [N, *shape] or [N, T, *shape]; None compares on
            random numbers in [0, 1).
        samples: the first so many are compared.
        time: where the module has its time: "step" (one call is one step), "inside" (a loop over one input), "first" or
            "second" (all steps at once, along that axis) or "joined" ([batch * time, ...]); None tries them in this
            order, "inside" first.
        input_mean, input_std: what data are scaled by before they reach the network, written to the file.
        seed: of the random numbers.
        data_dir: the folder of data sets that do not come with the package.
        layout: of images, "chw" or "hwc"; "auto" takes what alone fits the network.

    Raises:
        InputError: something in the module has no form in NIR, or differs from step to step; names the module and says
            what to write instead. The data do not fit.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"{type(module).__name__} is no torch.nn.Module; give an instance of one")
    if time is not None and time not in TIMES:
        raise InputError(f"`time` is {time!r}; it is one of {', '.join(TIMES)}", option="time")
    if samples < 1:
        raise InputError(f"{samples} samples: compare at least 1", option="samples")
    module, shape = unwrapped(module), _shape(example)
    read = _data(data, shape, data_dir, layout)
    info = ModelInfo(
        input_mean=tuple(map(float, input_mean)),
        input_std=tuple(map(float, input_std)),
        class_names=read.class_names if isinstance(read, Dataset) else (),
        dataset=read.name if isinstance(read, Dataset) else "",
        provenance={"made_from": type(module).__name__, "versions": versions()},
    )
    made = to_graph(module, shape, timesteps, time, info)
    graph = made.graph
    if graph.info.class_names and len(graph.info.class_names) != _outputs(graph):
        made = replace(made, graph=replace(graph, info=replace(graph.info, class_names=(), dataset="")))
    x, said = _samples(read, made, shape, samples, seed)
    if not len(x) or not bool(torch.isfinite(torch.as_tensor(x)).all()):
        raise InputError("the data to compare on are empty or hold values that are not finite", option="data")
    comparison = compare(module, made, x, said)
    path = None if out is None or comparison.differs else Path(out)
    if path is not None:
        nir_file.write_graph(path, made.graph)
    return Imported(made.graph, (*made.notes, *_refused_later(made.graph)), comparison, path)


def _refused_later(graph: Graph) -> list[str]:
    """What quantize would refuse in a graph, said now."""
    try:
        fuse(run_passes(graph, [ADD_READOUTS]))
    except InputError as error:
        return [f"It runs in float, and `quantize` will refuse it: {error}"]
    return []


def _shape(example: Example) -> Shape:
    if isinstance(example, Tensor | np.ndarray):
        return tuple(int(size) for size in example.shape)
    shape = tuple(example)
    if not shape or not all(isinstance(size, int) and size > 0 for size in shape):
        raise InputError(f"`example` is {example!r}; give one sample's shape, such as 1, 28, 28", option="example")
    return shape


def _outputs(graph: Graph) -> int:
    return int(np.prod(graph.output_shapes[graph.outputs()[0]]))


def _data(
    data: Dataset | PathLike | Tensor | npt.NDArray[Any] | None, shape: Shape, data_dir: PathLike | None, layout: Layout
) -> Dataset | Tensor | None:
    if data is None or isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray):
        return torch.from_numpy(data)
    if isinstance(data, Dataset):
        return load_dataset(data, layout=layout)
    return datasets.load(data, data_dir, frame=shape, layout=layout)


def _samples(read: Dataset | Tensor | None, made: Import, shape: Shape, samples: int, seed: int) -> tuple[Tensor, str]:
    """The samples to compare on, [B, *shape] or [T, B, *shape], normalized, and what they are."""
    info = made.graph.info
    if read is None:
        steps = () if info.encoding == "direct" else (info.timesteps,)
        return torch.rand(*steps, samples, *shape, generator=torch.Generator().manual_seed(seed)), RANDOM
    if isinstance(read, Tensor):
        x, said = read[:samples].float(), "samples that were given"
    else:
        x, said = torch.from_numpy(np.asarray(read.x_test[:samples], np.float32)), f"{read.name}, test split"
    frames = x.dim() == len(shape) + 2
    if tuple(x.shape[1 + frames :]) != shape or (frames and x.shape[1] != info.timesteps):
        raise InputError(
            f"the network takes samples of {list(shape)} over {info.timesteps} steps, and those of the data are "
            f"{list(x.shape[1:])}",
            option="example",
        )
    if frames and info.encoding == "direct":
        raise InputError("the module takes one input for all steps, and the data are frames over time", option="data")
    x = torch.from_numpy(replace(info, encoding="frames" if frames else "direct").normalize(x.numpy()))
    return (x.transpose(0, 1) if frames else x), said
