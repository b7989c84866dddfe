"""VGG networks with average pooling: vgg11 and vgg16."""

from __future__ import annotations

from inflor.converter.train.architecture import Architecture
from inflor.converter.train.layer import INPUT, Shape
from inflor.converter.train.networks.builder import Builder


def vgg11(input_shape: Shape, classes: int, channels: int = 64) -> Architecture:
    """VGG-11 (Simonyan and Zisserman 2015, column A), one classifier layer; images of at least 32x32."""
    return _vgg("vgg11", input_shape, classes, channels, ((1,), (2,), (4, 4), (8, 8), (8, 8)))


def vgg16(input_shape: Shape, classes: int, channels: int = 64) -> Architecture:
    """VGG-16 (Simonyan and Zisserman 2015, column D), one classifier layer; images of at least 32x32."""
    return _vgg("vgg16", input_shape, classes, channels, ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8)))


def _vgg(
    name: str, input_shape: Shape, classes: int, channels: int, stages: tuple[tuple[int, ...], ...]
) -> Architecture:
    """Stages of 3x3 convolutions, `channels` times the given widths, each stage ending in an average pool of 2."""
    net = Builder(name, input_shape, classes)
    source = INPUT
    for stage, widths in enumerate(stages, start=1):
        for layer, width in enumerate(widths, start=1):
            source = net.conv_spike(source, f"{stage}_{layer}", channels * width)
        source = net.pool(source, f"pool{stage}", 2)
    return net.finish(net.add("flatten", "flatten", source))
