"""A small convolutional network for small grey images."""

from __future__ import annotations

from inflor.converter.train.architecture import Architecture
from inflor.converter.train.layer import INPUT, Shape
from inflor.converter.train.networks.builder import Builder


def convnet(input_shape: Shape, classes: int, channels: int = 16) -> Architecture:
    """Three 3x3 convolutions of `channels` times 1, 2 and 4 for 8x8 digits up to 32x32 images.

    The first keeps the size, the second strides by 2, each of the last two is followed by an average pool of 2.
    """
    net = Builder("convnet", input_shape, classes)
    source = net.conv_spike(INPUT, "1", channels)
    source = net.conv_spike(source, "2", 2 * channels, stride=2)
    source = net.pool(source, "pool2", 2)
    source = net.conv_spike(source, "3", 4 * channels)
    source = net.pool(source, "pool3", 2)
    return net.finish(net.add("flatten", "flatten", source))
