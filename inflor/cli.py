"""The command `inflor`. Every subcommand is a module of `inflor.commands`; here is what they share: how they end.

Exit codes: 0 done, 1 compared and different, 2 bad input or usage, or the machine refused, 3 a needed optional part is
missing, 4 a simulator or worker failed or timed out, 70 a bug here, 130 interrupted. Errors go to standard error as one
message that starts with "error:".
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click

from inflor import interrupts
from inflor._public import COMMANDS
from inflor.console import as_typed, visible
from inflor.converter.errors import InflorError, shortened

BUG, PIPE_CLOSED, INTERRUPTED = 70, 141, 130
TRACEBACK = "INFLOR_TRACEBACK"
_NO_MEMORY = "not enough memory; use fewer samples, a smaller --batch-size or --memory, or a smaller network"
_SIGNS_OF_NO_MEMORY = (
    "can't allocate memory",
    "Cannot allocate memory",
    "could not create a primitive",
    "failed to map segment from shared object",
    "std::bad_alloc",
)
"""What torch, its kernels, the loader of libraries and C++ say when there is none."""


class Commands(click.Group):
    """Loads a subcommand when it is asked for, and turns whatever happens into a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"inflor.commands.{cmd_name}").command
        return command

    def main(  # type: ignore[override]  # click declares overloads of which this is the general one
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        sys.exit(self._exit_code(args, prog_name, **extra))

    def invoke(self, ctx: click.Context) -> Any:
        with _quiet_pipe():
            result = super().invoke(ctx)
            sys.stdout.flush()
        return result

    def _exit_code(self, args: Sequence[str] | None, prog_name: str | None, **extra: Any) -> int:
        try:
            result = super().main(args, prog_name, standalone_mode=False, **extra)
            return result if isinstance(result, int) else 0
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return error.exit_code
        except click.ClickException as error:
            return _fail(_sentence(error), InflorError.exit_code)
        except InflorError as error:
            return _fail(as_typed(str(error)), error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            return _fail("interrupted; files are as they were before, or complete", INTERRUPTED)
        except MemoryError:
            return _fail(_NO_MEMORY, InflorError.exit_code)
        except OSError as error:
            reason = f"cannot be read or written ({error.strerror})" if error.filename else str(error)
            return _fail(f"{error.filename}: {reason}" if error.filename else reason, InflorError.exit_code)
        except Exception as error:
            if type(error).__name__ == "OutOfMemoryError" or any(sign in str(error) for sign in _SIGNS_OF_NO_MEMORY):
                return _fail(_NO_MEMORY, InflorError.exit_code)
            return _bug(error)


def _sentence(error: click.ClickException) -> str:
    where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else None
    return error.format_message() + (f"\nsee: {where} --help" if where else "")


def _fail(message: str, code: int) -> int:
    if os.environ.get(TRACEBACK):
        traceback.print_exc()
    click.echo(f"error: {shortened(visible(message))}", err=True)
    return code


def _bug(error: Exception) -> int:
    more = "" if os.environ.get(TRACEBACK) else "; inflor --traceback ... shows where, please report it"
    return _fail(f"this is a bug in inflor: {type(error).__name__}: {error}{more}", BUG)


@contextlib.contextmanager
def _quiet_pipe() -> Iterator[None]:
    """End without a word when the reader of standard output has gone."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        # Python flushes standard output once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)


@click.group(
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  inflor demo",
)
@click.version_option(package_name="inflor", message="inflor %(version)s")
@click.option("--traceback", is_flag=True, help=f"Show where an error came from (as {TRACEBACK}=1 does).")
def cli(traceback: bool) -> None:
    """Takes trained spiking networks to neuromorphic hardware, spike for spike."""
    if traceback:
        os.environ[TRACEBACK] = "1"


def _open_closed() -> None:
    """Lead standard streams that are closed, as some daemons start programs, to nowhere.

    Otherwise the next file that is opened would be one of them, and get what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (as long as the program)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The console script. Being asked to end (SIGTERM, SIGHUP) cleans up as Ctrl-C does."""
    # torch's threads otherwise burn their cores while they wait, and everything crawls where the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _open_closed()
    interrupts.install()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    cli.main(args)
    raise AssertionError("the command line has no end")


if __name__ == "__main__":
    main()
