"""The errors that a user sees. Every one is a single message that says what, where and how to mend it."""

from __future__ import annotations


class InflorError(Exception):
    """Base of every error that this project raises on purpose.

    The message names the file and node concerned and what to do. `exit_code` is what the command line ends with.
    """

    exit_code = 2


class InputError(InflorError):
    """A file, an array or an option is not what it should be (exit code 2)."""


class MissingPartError(InflorError):
    """An optional part is not installed; the message ends in the command that installs it (exit code 3)."""

    exit_code = 3
