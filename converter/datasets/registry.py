"""The data sets and the kinds of data files that there are: built in, or added by other distributions.

A built-in one is a module of `sources` (or `formats`) that defines `SOURCE`. Another distribution adds one by an entry
point of the group `inflor.datasets` whose name is the data set's (or the suffix, ".h5") and whose value is a `Source`:

    [project.entry-points."inflor.datasets"]
    gestures = "my_package.gestures:SOURCE"

Names are listed without importing what they stand for, so that one that is broken never stops the others.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from inflor.converter.datasets import formats, sources
from inflor.converter.errors import InputError

if TYPE_CHECKING:
    from inflor.converter.datasets.dataset import RawData
    from inflor.converter.datasets.layout import Layout

log = logging.getLogger(__name__)
GROUP = "inflor.datasets"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set that has a name, or a kind of files that hold data sets.

    Attributes:
        name: what `dataset` takes, such as "digits"; of a kind of files their suffix, such as ".npz".
        read: from a path to the arrays; the path is the file's, or of a data set with a name the folder `data_dir`.
        in_folder: whether the data set's files are looked for in a folder; without, `read` is given "." to ignore.
        layout: which axis of its images holds the channels; "auto" where the files leave that open.
        training: settings of `TrainConfig` that train well on these data.
        training_of: by the name of a network, settings that replace those of `training`.
    """

    name: str
    read: Callable[[Path], RawData]
    in_folder: bool = False
    layout: Layout = "auto"
    training: Mapping[str, Any] = field(default_factory=dict)
    training_of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def names() -> tuple[str, ...]:
    """List the names that `dataset` takes."""
    return tuple(sorted(_built_in(sources) | {e.name for e in entry_points(group=GROUP) if e.name[:1] != "."}))


def suffixes() -> tuple[str, ...]:
    """List the suffixes of the files that `dataset` takes, each with its dot."""
    built_in = {f".{name}" for name in _built_in(formats)}
    return tuple(sorted(built_in | {e.name for e in entry_points(group=GROUP) if e.name[:1] == "."}))


def named(name: str) -> Source | None:
    """Find the data set of a name; None where there is none.

    Raises:
        InputError: another distribution's cannot be loaded, or two distributions offer it; names them.
    """
    return None if name.startswith(".") else _find(name, name, sources)


def of_suffix(suffix: str) -> Source | None:
    """Find what reads the files of a suffix, in upper or lower case, dot included; None where nothing does.

    Raises:
        InputError: another distribution's cannot be loaded, or two distributions offer it; names them.
    """
    return _find(suffix.lower(), suffix.lower()[1:], formats)


def unknown(name: str) -> InputError:
    """Make the error for a text that is neither a data set's name nor a file, with the name that is most like it."""
    known = names()
    like = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean {like[0]}? " if like else ""
    return InputError(
        f"{name}: no such data set or file",
        option="dataset",
        mend=f"{meant}give one of {', '.join(known)} or the path of a file ({', '.join(suffixes())})",
    )


def _built_in(package: ModuleType) -> set[str]:
    return {module.name for module in pkgutil.iter_modules(package.__path__)}


def _find(name: str, module: str, package: ModuleType) -> Source | None:
    added = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if module in _built_in(package):
        if added:
            log.warning("data set %r of %s is not used: a built-in one has the name", name, _offered_by(added))
        source: Source = importlib.import_module(f"{package.__name__}.{module}").SOURCE
        return source
    if not added:
        return None
    if len(added) > 1:
        raise InputError(f"data set {name!r} is offered by {_offered_by(added)}; uninstall all but one of them")
    try:
        found = added[0].load()
    except Exception as error:  # another's code: it may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"data set {name!r} of {_offered_by(added)} cannot be loaded ({reason})") from error
    if not isinstance(found, Source) or found.name != name:
        raise InputError(f"data set {name!r} of {_offered_by(added)} is no Source of that name: {added[0].value}")
    return found


def _offered_by(entries: list[EntryPoint]) -> str:
    return " and ".join(entry.dist.name if entry.dist is not None else entry.value for entry in entries)
