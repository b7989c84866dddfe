"""A Lava process graph as plain data in a folder: what the parent writes and the worker reads.

`job.json` holds the processes and connections; arrays are .npy files beside it. The worker, which is another
interpreter, needs no more than this module, so it imports nothing of the integer network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

JOB = "job.json"
RESULT = "result.json"


@dataclass(frozen=True)
class ProcessSpec:
    """One Lava process. process: "module:Class". arguments: JSON values, or what `array`, `sparse`, `pair` and
    `member` of this module make."""

    name: str
    process: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Connection:
    """source, target: "process.port". reshape: the shape that the target sees, where it is another one.

    variable: the target is a variable that the source, a reference port, reads.
    """

    source: str
    target: str
    reshape: tuple[int, ...] | None = None
    variable: bool = False


@dataclass(frozen=True)
class Job:
    """What the worker builds and runs for `steps` time steps. models: process class -> model class to use for it."""

    steps: int
    processes: tuple[ProcessSpec, ...]
    connections: tuple[Connection, ...]
    models: Mapping[str, str] = field(default_factory=dict)
    run_config: str = "sim"
    paths: tuple[str, ...] = ()


def array(folder: Path, name: str, values: npt.NDArray[Any]) -> dict[str, str]:
    """Save an array and return the argument that stands for it."""
    np.save(folder / f"{name}.npy", values)
    return {"$array": f"{name}.npy"}


def sparse(folder: Path, name: str, matrix: Any) -> dict[str, Any]:
    """Save a scipy CSR matrix and return the argument that stands for it."""
    parts = {part: array(folder, f"{name}.{part}", getattr(matrix, part)) for part in ("data", "indices", "indptr")}
    return {"$csr": parts, "shape": list(matrix.shape)}


def pair(values: tuple[int, ...]) -> dict[str, list[int]]:
    """The argument for a tuple."""
    return {"$tuple": list(values)}


def member(path: str) -> dict[str, str]:
    """The argument for an attribute of a module or of a class, "module:Class.member"."""
    return {"$member": path}


def output(folder: Path, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> str:
    """Make a zeroed .npy for a process to write into; returns its path."""
    path = folder / f"{name}.npy"
    mapped = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    del mapped
    return str(path)


def save(folder: Path, job: Job) -> None:
    (folder / JOB).write_text(json.dumps(asdict(job)))


def load(folder: Path) -> Job:
    data = json.loads((folder / JOB).read_text())
    data["processes"] = tuple(ProcessSpec(**p) for p in data["processes"])
    data["connections"] = tuple(
        Connection(**{**c, "reshape": None if c["reshape"] is None else tuple(c["reshape"])})
        for c in data["connections"]
    )
    data["paths"] = tuple(data["paths"])
    return Job(**data)
