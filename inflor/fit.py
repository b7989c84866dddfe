"""Whether a data set fits a network: the shape of a sample and the number of classes."""

from __future__ import annotations

import math

from converter.datasets import Dataset
from converter.errors import InputError
from converter.graph import Graph, Shape
from quant.network import IntegerNetwork


def check_fit(network: Graph | IntegerNetwork, dataset: Dataset) -> None:
    """Refuse data that the network was not made for.

    Raises:
        InputError: another shape or another number of classes; names the network's and the data set's.
    """
    shape, classes = _input_shape(network), _classes(network)
    if dataset.shape != shape:
        raise InputError(
            f"{network.source} takes samples of {_show(shape)}, but those of {dataset.name} are "
            f"{_show(dataset.shape)}; {_mend(network)}"
        )
    if dataset.classes != classes:
        raise InputError(
            f"{network.source} tells {classes} classes apart, but {dataset.name} has {dataset.classes}; "
            f"{_mend(network)} (an .npz may name all of its classes in class_names)"
        )


def _input_shape(network: Graph | IntegerNetwork) -> Shape:
    shapes = (
        [network.output_shapes[name] for name in network.inputs()]
        if isinstance(network, Graph)
        else [population.shape for population in network.inputs]
    )
    if len(shapes) != 1:
        raise InputError(f"{network.source}: has {len(shapes)} inputs; networks with one can be run on a data set")
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
