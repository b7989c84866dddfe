"""Whether a data set fits a network or a record: the shape of a sample, the number of classes, and time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, TypeVar

import numpy.typing as npt

from inflor.converter.datasets.dataset import SPLITS, Dataset
from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph, Shape
from inflor.converter.nir.metadata import FRAMES, ModelInfo
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.record.file import Record

Fitting = TypeVar("Fitting", Graph, IntegerNetwork, Graph | IntegerNetwork)


def fitted(network: Fitting, dataset: Dataset) -> Fitting:
    """Give the network the time that the data have, where its file does not say how many steps and of what.

    Raises:
        InputError: data that the network was not made for: another shape, number of classes or steps, or frames where
            it takes one image (or the other way round); names the network's and the data set's.
    """
    shape, classes = input_shape(network), _classes(network)
    if dataset.shape != shape:
        raise InputError(
            f"{network.source} takes samples of {_show(shape)}, but those of {dataset.name} are {_show(dataset.shape)}",
            mend=_mend(network),
        )
    if dataset.classes != classes:
        raise InputError(
            f"{network.source} tells {classes} classes apart, but {dataset.name} has {dataset.classes}",
            mend=f"{_mend(network)} (an .npz may name all of its classes in class_names)",
        )
    return replace(network, info=_in_time(network, dataset))


def images_of(record: Record, dataset: Dataset) -> npt.NDArray[Any]:
    """Return the samples that a record was made with, as the data set has them.

    Raises:
        InputError: the record is of another data set (its name or its labels), or of more samples than this one has.
    """
    where, name = record.path or "the record", record.run.get("dataset")
    if name is not None and name != dataset.name:
        raise InputError(f"is of the data set {name}, not of {dataset.name}; name that with `dataset`", path=where)
    split = split_of(record)
    images, labels = dataset.split(split)
    if len(images) < record.samples:
        raise InputError(f"has {record.samples} samples, but {dataset.name} has {len(images)} in {split!r}", path=where)
    other = 0 if record.labels is None else int((record.labels != labels[: record.samples]).sum())
    if other:
        raise InputError(
            f"is of other data than this {dataset.name}: the labels of {other} of {record.samples} samples differ "
            f"(split {split!r})",
            path=where,
            option="dataset",
            mend="name the file that it was made with, with `dataset`",
        )
    return images[: record.samples]


def split_of(record: Record) -> str:
    """Return the name of the split that a record was made with."""
    split = record.run.get("split")
    return split if split in SPLITS else "test"


def same_samples(record: Record, other: Record) -> None:
    """Check that two records begin with the same samples, as far as they tell.

    Raises:
        InputError: they are of another data set or split, or have other labels.
    """
    where = other.path or "the other record"
    for key in ("dataset", "split"):
        mine, theirs = record.run.get(key), other.run.get(key)
        if mine is not None and theirs is not None and mine != theirs:
            what = "data set" if key == "dataset" else key
            text = f"is of the {what} {theirs}, but {record.path or 'the record'} is of {mine}"
            raise InputError(text, path=where)
    if record.labels is None or other.labels is None:
        return
    both = min(record.samples, other.samples)
    unlike = int((record.labels[:both] != other.labels[:both]).sum())
    if unlike:
        raise InputError(
            f"is of other samples than {record.path or 'the record'}: the labels of {unlike} of {both} differ",
            path=where,
        )


def _in_time(network: Graph | IntegerNetwork, dataset: Dataset) -> ModelInfo:
    info, steps = network.info, dataset.timesteps
    encoding = "direct" if steps is None else FRAMES
    if info.known and info.encoding and (info.encoding == FRAMES) != (encoding == FRAMES):
        takes, are = ("frames over time", "single samples") if steps is None else ("single samples", "frames over time")
        raise InputError(f"{network.source} takes {takes}, but those of {dataset.name} are {are}", mend=_mend(network))
    if steps is None and not info.says_timesteps:
        raise InputError(
            f"does not say for how many timesteps it runs, and neither does {dataset.name}, whose samples are single",
            path=network.source,
            option="timesteps",
            mend="give `timesteps`, the number that it was trained with",
        )
    if steps is None:
        return replace(info, encoding=info.encoding or encoding)
    if info.says_timesteps and info.timesteps != steps:
        raise InputError(
            f"{network.source} runs for {info.timesteps} timesteps, but {dataset.name} has {steps} frames per sample",
            mend=f"{_mend(network)}, or say `timesteps={steps}`",
        )
    return replace(info, encoding=encoding, timesteps=steps, says_timesteps=True)


def input_shape(network: Graph | IntegerNetwork) -> Shape:
    """Return the shape of what the network takes at a step.

    Raises:
        InputError: it has several inputs.
    """
    shapes = (
        [network.output_shapes[name] for name in network.inputs()]
        if isinstance(network, Graph)
        else [population.shape for population in network.inputs]
    )
    if len(shapes) != 1:
        names = network.inputs() if isinstance(network, Graph) else [population.name for population in network.inputs]
        raise InputError(
            f"has the inputs {', '.join(map(repr, names))}, and a data set feeds one: join them to one Input, or run "
            "the float network from Python with inflor.converter.simulate.execute.run",
            path=network.source,
        )
    return shapes[0]


def _classes(network: Graph | IntegerNetwork) -> int:
    if isinstance(network, Graph):
        return math.prod(network.output_shapes[network.outputs()[0]])
    return network.by_name[network.outputs[0]].size


def _mend(network: Graph | IntegerNetwork) -> str:
    trained_on = network.info.dataset
    return f"it was trained on {trained_on}" if trained_on else "give the data that it was trained on"


def _show(shape: Shape) -> str:
    return "x".join(map(str, shape))
