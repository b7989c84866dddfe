"""CIFAR-10: 32x32 color images of ten classes, 50,000 to train and 10,000 to test."""

from inflor.converter.datasets.cifar import CifarFiles, cifar_style

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = CifarFiles(
    folders=("cifar-10-batches-bin", "cifar-10-batches-py"),
    train=tuple(f"data_batch_{i}" for i in range(1, 6)),
    test="test_batch",
    label_bytes=1,
    labels="labels",
)
SOURCE = cifar_style("cifar10", FILES, _CLASSES)
