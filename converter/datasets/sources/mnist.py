"""MNIST: 28x28 grey images of handwritten digits, 60,000 to train and 10,000 to test."""

from inflor.converter.datasets.mnist_style import mnist_style

SOURCE = mnist_style("mnist", tuple("0123456789"), epochs=5)
