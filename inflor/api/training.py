"""inflor.train"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inflor.api.loading import PathLike, Progress, load_dataset
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.threads import torch_threads
from inflor.converter.train import loop as training
from inflor.converter.train.config import default_config
from inflor.converter.train.loop import TrainResult
from inflor.converter.train.neurons import NeuronConfig


def train(
    dataset: Dataset | PathLike,
    model: str = "convnet",
    *,
    out: PathLike,
    resume: bool = False,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    neuron: NeuronConfig | str | None = None,
    surrogate: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> TrainResult:
    """Train a network and write model.pt, metrics.json and checkpoint.pt to the folder `out`.

    Args:
        dataset: in memory, or its name, or the path of a file.
        model: a name of `inflor.converter.train.networks.NETWORKS`.
        out: the folder to write to.
        resume: go on from its checkpoint.pt.
        data_dir: the folder of data sets that do not come with the package.
        layout: of images, "chw" or "hwc"; "auto" refuses those that could be either.
        neuron: a kind ("srif", "if", "lif") or a whole configuration.
        surrogate: the gradient of a spike.
        threads: of the CPU; None for all.
        progress: called with how much is done.
        settings: fields of `inflor.converter.train.config.TrainConfig` (timesteps, epochs, batch_size, learning_rate,
            optimizer, seed, ...); those left out are what works for the data.

    Raises:
        InputError: see `inflor.converter.train.loop.train`.
    """
    data = load_dataset(dataset, data_dir, layout=layout)
    if neuron is not None or surrogate is not None:
        if not isinstance(neuron, NeuronConfig):
            neuron = NeuronConfig.preset(neuron or "srif")
        settings["neuron"] = neuron if surrogate is None else replace(neuron, surrogate=surrogate)  # type: ignore[arg-type]
    config = default_config(data.name, model, **{k: v for k, v in settings.items() if v is not None})
    watch = None if progress is None else _watch_training(progress)
    with torch_threads(threads):
        return training.train(data, config, Path(out), resume=resume, progress=watch)


def _watch_training(progress: Progress) -> training.Progress:
    def watch(now: Mapping[str, Any]) -> None:
        done = (now["epoch"] - 1) * now["batches"] + now["batch"]
        progress(done, now["epochs"] * now["batches"], f"epoch {now['epoch']}/{now['epochs']} loss {now['loss']:.3f}")

    return watch
