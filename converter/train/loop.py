"""Training by surrogate gradients: epochs, checkpoints, metrics, and a resume that ends at the same weights.

Everything random is drawn from (seed, epoch), so an epoch does not depend on a restart before it.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inflor.converter.datasets.dataset import Dataset
from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.augment import augment
from inflor.converter.train.checkpoint import save_model
from inflor.converter.train.config import TrainConfig
from inflor.converter.train.metrics import MODEL, tie, write_metrics
from inflor.converter.train.run import CHECKPOINT, TrainingRun

_EVALUATION_BATCH = 256

Progress = Callable[[Mapping[str, Any]], None]
"""Called after every batch with epoch, epochs, batch, batches (counted from 1) and loss, the epoch's mean so far.

After an epoch's last batch also with train_accuracy, learning_rate and seconds.
"""


@dataclass(frozen=True)
class TrainResult:
    """What a training leaves.

    Attributes:
        model_path: the written `model.pt`.
        metrics: what `metrics.json` beside it says.
    """

    model_path: Path
    metrics: dict[str, Any]


def train(
    dataset: Dataset,
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> TrainResult:
    """Train `config` on the data set's train split; write model.pt, metrics.json and checkpoint.pt to the folder `out`.

    The checkpoint and the metrics are renewed after every epoch. The result is the last epoch's network: the test
    split is looked at once, at the end. With `resume` the checkpoint in `out` is continued, to the same weights (on
    the same machine) as without the interruption. An interrupt passes through and leaves the last epoch's checkpoint.

    Raises:
        InputError: the network does not fit the data, CUDA is asked for and absent, the loss is no longer finite, a
            file cannot be written; with `resume`: no checkpoint, or one of other settings or data (names which).
    """
    out = Path(out)
    device = _device(config)
    with _deterministic(config.seed):
        if resume:
            run = TrainingRun.restored(dataset, config, out, device)
        else:
            run = TrainingRun.fresh(dataset, config, device)
        x = torch.from_numpy(dataset.x_train).to(device)
        y = torch.from_numpy(dataset.y_train).to(device)
        write_metrics(out, _metrics(run, dataset, device))  # so that a folder that cannot be written is known at once
        for epoch in range(len(run.history) + 1, config.epochs + 1):
            run.history.append(_train_epoch(run, x, y, epoch, out, progress))
            _check_weights(run.network, epoch, out)
            save_model(out / CHECKPOINT, run.network, run.info, training=run.state(dataset))
            write_metrics(out, _metrics(run, dataset, device))
        accuracy = evaluate(run.network, run.info, dataset.x_test, dataset.y_test)
    save_model(out / MODEL, run.network, run.info)
    metrics = _metrics(run, dataset, device) | {"test_accuracy": accuracy, "finished": True, **tie(out / MODEL)}
    write_metrics(out, metrics)
    return TrainResult(out / MODEL, metrics)


def evaluate(network: SpikingNetwork, info: ModelInfo, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    """Measure the accuracy of the network in evaluation mode.

    Args:
        network: the network.
        info: how its input is scaled.
        x: images in natural scale, float32 [N, *shape].
        y: their classes, [N].

    Returns:
        The fraction of the images that the network puts in their class.
    """
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(x), _EVALUATION_BATCH):
            images = torch.from_numpy(info.normalize(x[start : start + _EVALUATION_BATCH])).to(device)
            labels = torch.from_numpy(y[start : start + _EVALUATION_BATCH]).to(device)
            right += int((network(images).argmax(1) == labels).sum())
    network.train(was_training)
    return right / len(x)


def _train_epoch(
    run: TrainingRun, x: Tensor, y: Tensor, epoch: int, out: Path, progress: Progress | None
) -> dict[str, float]:
    config = run.config
    began = time.perf_counter()
    generator = _generator(config.seed, epoch)
    batches = _batches(len(x), config.batch_size, generator)
    metrics: dict[str, float] = {}
    loss_sum, right, seen = 0.0, 0, 0
    run.network.train()
    for step, batch in enumerate(batches, start=1):
        rate = _learning_rate(config, epoch - 1 + (step - 1) / len(batches))
        index = batch.to(x.device)
        images = _normalize(augment(x[index], config.augment, generator), run.info)
        loss, correct = _step(run, images, y[index], rate)
        if not math.isfinite(loss):
            raise InputError(
                f"the loss is {loss} in epoch {epoch}, batch {step} of {len(batches)}; {_kept(epoch, out)}"
            )
        loss_sum, right, seen = loss_sum + loss * len(batch), right + correct, seen + len(batch)
        metrics = {"epoch": epoch, "loss": loss_sum / seen}
        if step == len(batches):
            metrics |= {"train_accuracy": right / seen, "learning_rate": rate, "seconds": time.perf_counter() - began}
        if progress is not None:
            progress(metrics | {"epochs": config.epochs, "batch": step, "batches": len(batches)})
    return metrics


def _step(run: TrainingRun, images: Tensor, labels: Tensor, rate: float) -> tuple[float, int]:
    """One update of the weights, unless the loss is not finite; (loss, number of images classified rightly)."""
    logits = run.network(images)
    loss = functional.cross_entropy(logits, labels, label_smoothing=run.config.label_smoothing)
    value = loss.item()
    if math.isfinite(value):
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        run.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        run.optimizer.step()
    return value, int((logits.argmax(1) == labels).sum())


def _check_weights(network: SpikingNetwork, epoch: int, out: Path) -> None:
    for name, value in network.state_dict().items():
        if not torch.isfinite(value).all():
            raise InputError(f"{name} is no longer finite after epoch {epoch}; {_kept(epoch, out)}")


def _kept(epoch: int, out: Path) -> str:
    last = f"the checkpoint of epoch {epoch - 1} is kept at {out / CHECKPOINT}" if epoch > 1 else "nothing was saved"
    return f"{last}. Train again with a smaller learning rate"


def _learning_rate(config: TrainConfig, epochs_done: float) -> float:
    """Cosine decay: lr/2 (1 + cos(pi t / T)), t and T in epochs (Loshchilov and Hutter 2017, without restarts)."""
    return config.learning_rate / 2 * (1 + math.cos(math.pi * epochs_done / config.epochs))


def _generator(seed: int, epoch: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


def _batches(samples: int, size: int, generator: torch.Generator) -> list[Tensor]:
    """A random order cut into batches. A last batch of one sample is left out: it has no variance to normalize by."""
    batches = list(torch.split(torch.randperm(samples, generator=generator), size))
    return batches[:-1] if len(batches[-1]) == 1 else batches


def _normalize(x: Tensor, info: ModelInfo) -> Tensor:
    mean, std = (torch.tensor(values, device=x.device) for values in (info.input_mean, info.input_std))
    shape = (-1, 1, 1) if x.dim() == 4 else (-1,)
    return (x - mean.reshape(shape)) / std.reshape(shape)


def _device(config: TrainConfig) -> torch.device:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "`device` cuda: this machine or this build of torch has none; choose cpu or auto", option="device"
        )
    cuda = config.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    """Seeds torch for the initial weights, without a trace in the caller's random state; no search for fast kernels."""
    with torch.random.fork_rng(), torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        torch.manual_seed(seed)
        yield


def _metrics(run: TrainingRun, dataset: Dataset, device: torch.device) -> dict[str, Any]:
    return {
        "config": run.config.as_dict(),
        "dataset": {"name": dataset.name, "train": len(dataset.x_train), "test": len(dataset.x_test)},
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "epochs": run.history,
        "seconds": sum(entry["seconds"] for entry in run.history),
        "finished": False,
        "device": f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu",
        "versions": {
            "inflor": run.info.version,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
