"""Residual networks of basic blocks (two 3x3 convolutions): resnet8, resnet18, resnet19, resnet20 and resnet34.

A residual add is a neuron with two inputs: the norm of the block's second convolution, and either the spikes that
entered the block or the norm of a 1x1 convolution of them. Spiking form after Zheng et al. 2021 (tdBN).
"""

from __future__ import annotations

from typing import Literal

from inflor.converter.train.architecture import Architecture
from inflor.converter.train.layer import INPUT, Shape
from inflor.converter.train.networks.builder import RESIDUAL_ALPHA, Builder

LARGE_IMAGE = 64
"""From this height and width on, resnet18 and resnet34 begin with the 7x7 stem of stride 2 and a pool."""


def resnet8(input_shape: Shape, classes: int, channels: int = 32) -> Architecture:
    """Three stages of one block, `channels` times 1, 2, 4: for digits and other small images."""
    net = Builder("resnet8", input_shape, classes)
    source = net.conv_spike(INPUT, "1", channels)
    source = _stages(net, source, channels, widths=(1, 2, 4), blocks=(1, 1, 1))
    return net.finish(net.global_pool(source))


def resnet18(input_shape: Shape, classes: int, channels: int = 64) -> Architecture:
    """Four stages of 2 blocks, `channels` times 1, 2, 4, 8, as ResNet-18 (He et al. 2016)."""
    return _imagenet_style("resnet18", input_shape, classes, channels, (2, 2, 2, 2))


def resnet34(input_shape: Shape, classes: int, channels: int = 64) -> Architecture:
    """Four stages of 3, 4, 6 and 3 blocks, `channels` times 1, 2, 4, 8, as ResNet-34 (He et al. 2016)."""
    return _imagenet_style("resnet34", input_shape, classes, channels, (3, 4, 6, 3))


def resnet19(input_shape: Shape, classes: int, channels: int = 128) -> Architecture:
    """Three stages of 3, 3 and 2 blocks, `channels` times 1, 2, 4, and a hidden spiking layer of twice `channels`.

    The ResNet-19 of Zheng et al. 2021 that the InfLoR experiments take for CIFAR.
    """
    net = Builder("resnet19", input_shape, classes)
    source = net.conv_spike(INPUT, "1", channels)
    source = _stages(net, source, channels, widths=(1, 2, 4), blocks=(3, 3, 2))
    return net.finish(net.linear_spike(net.global_pool(source), "_hidden", 2 * channels))


def resnet20(input_shape: Shape, classes: int, channels: int = 64) -> Architecture:
    """Three convolutions of `channels`, a pool of 2, and four stages of 2 blocks, `channels` times 1, 2, 4, 8.

    The ResNet-20 of the InfLoR experiments. A shortcut that changes shape pools, then convolves 1x1.
    """
    net = Builder("resnet20", input_shape, classes)
    source = INPUT
    for layer in ("1", "2", "3"):
        source = net.conv_spike(source, layer, channels)
    source = net.pool(source, "pool", 2)
    source = _stages(net, source, channels, widths=(1, 2, 4, 8), blocks=(2, 2, 2, 2), shortcut="pooled")
    return net.finish(net.global_pool(source))


def _imagenet_style(
    name: str, input_shape: Shape, classes: int, channels: int, blocks: tuple[int, ...]
) -> Architecture:
    net = Builder(name, input_shape, classes)
    if len(input_shape) == 3 and min(input_shape[1:]) >= LARGE_IMAGE:
        source = net.conv_spike(INPUT, "1", channels, kernel=7, stride=2)
        source = net.pool(source, "pool", 3, stride=2, padding=1)
    else:
        source = net.conv_spike(INPUT, "1", channels)
    source = _stages(net, source, channels, widths=(1, 2, 4, 8), blocks=blocks)
    return net.finish(net.global_pool(source))


def _stages(
    net: Builder,
    source: str,
    channels: int,
    *,
    widths: tuple[int, ...],
    blocks: tuple[int, ...],
    shortcut: Literal["strided", "pooled"] = "strided",
) -> str:
    """Stages of basic blocks; every stage but the first halves the image in its first block."""
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        for block in range(1, count + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            source = _basic_block(net, source, f"{stage}_{block}", channels * width, stride, shortcut)
    return source


def _basic_block(
    net: Builder, source: str, suffix: str, channels: int, stride: int, shortcut: Literal["strided", "pooled"]
) -> str:
    hidden = net.conv_spike(source, f"{suffix}_1", channels, stride=stride)
    main = net.conv_norm(hidden, f"{suffix}_2", channels, alpha=RESIDUAL_ALPHA)
    if stride == 1 and net.shape_of(source)[0] == channels:
        side = source
    elif shortcut == "pooled":
        pooled = net.halve(source, f"pool{suffix}") if stride == 2 else source
        side = net.conv_norm(pooled, f"{suffix}_shortcut", channels, kernel=1, alpha=RESIDUAL_ALPHA)
    else:
        side = net.conv_norm(source, f"{suffix}_shortcut", channels, kernel=1, stride=stride, alpha=RESIDUAL_ALPHA)
    return net.add(f"neuron{suffix}_2", "neuron", main, side)
