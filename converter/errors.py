"""The errors that a user sees. Every one is a single message that says what, where and how to mend it.

A message names a function's argument between backticks, alone or with a value: "`bits` 9: choose 2 to 8" or
"give `reset='zero'`". Python users read it so; the command line shows its own spelling, --bits and --reset zero.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST_MESSAGE = 1500
"""Characters of a message; names and values in it may come from a file."""
_ARGUMENT = re.compile(r"`([a-z][a-z0-9_.]*)(?:=('?)([^`']*)\2)?`")


class InflorError(Exception):
    """Base of every error that this project raises on purpose.

    The message names the file and node concerned and what to do.

    Attributes:
        path: the file that is at fault, where there is one.
        node: the node or population that is at fault.
        option: the name of the argument that is at fault.
        mend: what to do, a part of the message.
        exit_code: what the command line ends with.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        path: object = None,
        node: str | None = None,
        option: str | None = None,
        mend: str | None = None,
    ) -> None:
        where = "" if path is None else f"{path}: "
        self.path, self.node, self.option, self.mend = (None if path is None else str(path)), node, option, mend
        if node is not None:
            where += f"node {node!r}: "
        super().__init__(shortened(where + message + ("" if mend is None else f"; {mend}")))


class InputError(InflorError):
    """A file, an array or an option is not what it should be (exit code 2)."""


class MissingPartError(InflorError):
    """An optional part is not installed; the message ends in the command that installs it (exit code 3)."""

    exit_code = 3


class SimulationError(InflorError):
    """A simulator or a worker process failed or took too long (exit code 4)."""

    exit_code = 4


def reason(error: BaseException) -> str:
    """What an error of a library says, as a part of one line."""
    return " ".join(str(error).replace("`", "'").split())[:200] or type(error).__name__


def shortened(message: str) -> str:
    """A message without its middle where it is too long to be read."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    begin, end = LONGEST_MESSAGE * 2 // 3, LONGEST_MESSAGE // 4
    left_out = f" ... ({len(message) - begin - end} characters left out) ... "
    return message[:begin] + left_out + message[-end:]


def with_flags(message: str, flag: Callable[[str, str], str]) -> str:
    """A message with every argument that it names between backticks in another spelling.

    Args:
        flag: the option of the command line for the name and the value of an argument, which may be empty:
            ("reset", "zero") to "--reset zero".
    """
    return _ARGUMENT.sub(lambda match: flag(match[1], match[3] or ""), message)
