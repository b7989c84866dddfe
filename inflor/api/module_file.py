"""A torch module out of a Python file, with its weights: the one place in which a file is executed."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from inflor.api.loading import PathLike
from inflor.converter.errors import InputError
from inflor.converter.modules.importing import check_made
from inflor.converter.reading.torch_archive import read_torch

_KEYS = ("state_dict", "model_state_dict", "model", "net")
"""Under which checkpoints keep their weights."""


def load_module(place: str, weights: PathLike | None = None) -> nn.Module:
    """Execute a file and take a module out of it.

    Args:
        place: FILE.py:NAME; NAME is a module, or a class or function without arguments that makes one.
        weights: a file with its state dict.

    Raises:
        InputError: the file raises something (names its line), there is no such name, it is no module, or the weights
            are not its own.
    """
    path, colon, name = place.rpartition(":")
    if not colon or not name.isidentifier():
        raise InputError(f"{place!r}: write it as FILE.py:NAME, with the name of the network in the file")
    if not Path(path).is_file():
        raise InputError("there is no such file", path=path)
    space = _executed(path)
    if name not in space:
        made = [key for key, value in space.items() if isinstance(value, nn.Module) or _makes(value, space["__name__"])]
        raise InputError(f"has no {name!r}", path=path, mend=f"it has {', '.join(made) or 'no network'}")
    found = space[name]
    if not isinstance(found, nn.Module):
        if not callable(found):
            raise InputError(f"{name} is a {type(found).__name__}, not a torch module or what makes one", path=path)
        with _blamed(path):
            found = found()
    if not isinstance(found, nn.Module):
        raise InputError(f"{name} makes a {type(found).__name__}, not a torch module", path=path)
    if weights is not None:
        _load_weights(found, weights)
    return found


def _makes(value: Any, file: str) -> bool:
    return inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == file


def _executed(path: str) -> dict[str, Any]:
    name = f"inflor_import_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError("is no Python file", path=path, mend="its name has to end in .py")
    space = importlib.util.module_from_spec(spec)
    sys.modules[name] = space
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        with _blamed(path):
            spec.loader.exec_module(space)
    finally:
        sys.path.pop(0)
    return vars(space)


@contextlib.contextmanager
def _blamed(path: str) -> Iterator[None]:
    """What the user's file raises is an error of that file. What it prints goes to standard error."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # another's code: it may raise anything, SystemExit included
        same = [
            f.lineno
            for f in traceback.extract_tb(error.__traceback__)
            if os.path.abspath(f.filename) == os.path.abspath(path)
        ]
        line = error.lineno if isinstance(error, SyntaxError) else same[-1] if same else None
        text = (str(error).splitlines() or [""])[0][:300]
        where = path if line is None else f"{path}, line {line}"
        raise InputError(f"{where}: {type(error).__name__}: {text}") from error


def _load_weights(module: nn.Module, path: PathLike) -> None:
    loaded = read_torch(path, "write it with torch.save(network.state_dict(), FILE)")
    for key in _KEYS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise InputError("holds no state dict of tensors", path=path, option="weights")
    if all(name.startswith("module.") for name in loaded):  # of DataParallel
        loaded = {name.removeprefix("module."): value for name, value in loaded.items()}
    check_made(module)
    own = module.state_dict()
    lacking, extra = [n for n in own if n not in loaded], [n for n in loaded if n not in own]
    other = [n for n in own if n in loaded and own[n].shape != loaded[n].shape]
    problems = [
        *([f"lacks {_some(lacking)}"] if lacking else []),
        *([f"has {_some(extra)}, which the network has not"] if extra else []),
        *(f"{n} is {list(loaded[n].shape)}, the network's {list(own[n].shape)}" for n in other[:3]),
    ]
    if problems:
        raise InputError(
            f"is not of this network: {'; '.join(problems)}", path=path, option="weights", mend="give its own weights"
        )
    module.load_state_dict(dict(loaded))


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
