"""Signals that ask to end, kept so that none is lost.

An exception that a signal raises inside of a destructor or a callback of a C library is printed and forgotten by
Python. So the signal is remembered too, and whoever reports progress raises it again.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

_EXITS = (KeyboardInterrupt, SystemExit)
_asked: list[int] = []


def install() -> None:
    """Make Ctrl-C, SIGTERM and SIGHUP end the program by an exception that cleans up, unless they are ignored."""
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is usual:
            signal.signal(number, _remember)
    sys.unraisablehook = _report_unless_exit


def check() -> None:
    """Raise again what a signal raised, if it was lost on the way."""
    if _asked:
        _raise(_asked[-1])


def _remember(number: int, frame: FrameType | None) -> NoReturn:
    _asked.append(number)
    _raise(number)


def _raise(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _report_unless_exit(lost: sys.UnraisableHookArgs) -> None:
    if not isinstance(lost.exc_value, _EXITS):
        sys.__unraisablehook__(lost)
