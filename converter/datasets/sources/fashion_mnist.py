"""Fashion-MNIST: 28x28 grey images of clothes, 60,000 to train and 10,000 to test."""

from inflor.converter.datasets.mnist_style import mnist_style

_CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SOURCE = mnist_style("fashion_mnist", _CLASSES, epochs=20)
