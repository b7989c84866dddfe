"""Kuzushiji-MNIST: 28x28 grey images of cursive hiragana, 60,000 to train and 10,000 to test."""

from inflor.converter.datasets.mnist_style import mnist_style

SOURCE = mnist_style("kmnist", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"), epochs=20)
