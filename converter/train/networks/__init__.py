"""The network families, by the name that the command line knows."""

from __future__ import annotations

from collections.abc import Callable

from inflor.converter.errors import InputError
from inflor.converter.train.architecture import Architecture
from inflor.converter.train.layer import Shape, is_whole
from inflor.converter.train.networks.convnet import convnet
from inflor.converter.train.networks.mlp import mlp
from inflor.converter.train.networks.resnet import resnet8, resnet18, resnet19, resnet20, resnet34
from inflor.converter.train.networks.vgg import vgg11, vgg16

NETWORKS: dict[str, Callable[..., Architecture]] = {
    "mlp": mlp,
    "convnet": convnet,
    "resnet8": resnet8,
    "resnet18": resnet18,
    "resnet19": resnet19,
    "resnet20": resnet20,
    "resnet34": resnet34,
    "vgg11": vgg11,
    "vgg16": vgg16,
}
"""name -> builder(input_shape, classes, channels=<its usual base width>)."""


def build(name: str, input_shape: Shape, classes: int, channels: int | None = None) -> Architecture:
    """Build a network.

    Args:
        name: a key of `NETWORKS`.
        input_shape: of a sample, (C, H, W) or (F,).
        classes: the size of its readout.
        channels: its base width; None for the usual one.

    Raises:
        InputError: there is no such network, or it does not fit the shape; names the node and the shape.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; known are {', '.join(NETWORKS)}", option="network")
    if not is_whole(classes, 1):
        raise InputError(f"classes {classes!r}: must be a whole number of at least 1")
    if channels is None:
        return NETWORKS[name](tuple(input_shape), classes)
    if not is_whole(channels, 1):
        raise InputError(f"`channels` {channels!r}: must be a whole number of at least 1")
    return NETWORKS[name](tuple(input_shape), classes, channels)
