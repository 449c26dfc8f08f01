"""The command `brainmusic`: one small module per subcommand, no logic in any of them."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from brainmusic_daemon.harmless import harmless

# Small matrices are faster on one thread, and the tick must not wait for a pool; set before numpy is first imported.
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")


COMMANDS = (
    *("run", "render", "replay", "record", "calibrate", "agency", "train"),
    *("swap", "status", "stop", "tell", "page", "service", "devices", "check", "bench"),
)
"""Each is a module here, with a function of its name."""

_WRITE_OUT_S = 0.5
_UNWRITABLE = (errno.ENOSPC, errno.EIO, errno.EBADF)


def main() -> NoReturn:
    """Run the command line; every failure that a user can cause ends in one message and its exit code."""
    _stand()
    try:
        code = _command()
    except KeyboardInterrupt:  # also while libraries are still being loaded
        code = 130
    _leave(code)


def _stand() -> None:
    """Open to nothing what is closed of standard input, output and error, as whoever sends it into the background may.

    Else the next file or socket takes that number, and gets whatever a C library has to say.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
            if getattr(sys, name) is None:
                setattr(sys, name, open(number, "w" if number else "r", closefd=False, encoding="utf-8"))  # noqa: SIM115


def _command() -> int:
    """Parse the arguments, run the command, return the exit code."""
    from brainmusic_daemon.cli import short

    try:
        if not short.carried_out(sys.argv[1:]):
            _parsed()
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # the reader of a pipe has seen enough
            return 0
        return leaving.code if isinstance(leaving.code, int) else 0
    except Exception as error:
        from brainmusic_daemon.api import BrainmusicError  # it brings numpy, which `stop` has no use for

        if isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITABLE:
            sys.stderr.write(f"brainmusic: nothing can be written to standard output: {error.strerror}\n")
            return 1
        if not isinstance(error, BrainmusicError):
            raise
        sys.stderr.write(f"brainmusic: {harmless(str(error))}\n")
        return error.exit_code
    return 0


def _parsed() -> None:
    """Parse the arguments and run the command; ends with SystemExit."""
    with _system_ends():
        app = _app()
    app()


@contextmanager
def _system_ends() -> Iterator[None]:
    """Leave Ctrl-C to the system: an exception out of nowhere may get lost in a library that is being loaded."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield  # also where a script that started this in the background has Ctrl-C ignored
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _app() -> Callable[[], object]:
    """Return the parser of what is asked for, its module loaded."""
    import typer

    from brainmusic_daemon import __version__

    app = typer.Typer(
        help="Turn live EEG into music: sound and OSC that follow the brain.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    def version(wanted: bool) -> None:
        if wanted:
            typer.echo(f"brainmusic {__version__}")
            raise typer.Exit

    @app.callback()
    def about(
        version: bool = typer.Option(False, "--version", callback=version, is_eager=True, help="Print the version."),
    ) -> None:
        """Turn live EEG into music: sound and OSC that follow the brain."""

    asked = sys.argv[1:2]  # only what is asked for is imported: `stop` must not wait for what `train` needs
    for name in asked if asked and asked[0] in COMMANDS else COMMANDS:
        module = importlib.import_module(f"{__name__}.{name}")
        app.command(context_settings=getattr(module, "CONTEXT", None))(getattr(module, name))
    return app


def _leave(code: int) -> NoReturn:
    """End the process.

    A driver that hangs, or a compiler at work, may still hold a thread.  The interpreter's own farewell would take the
    ground from under it, and it would crash in C code: so the process ends at once then, with everything written out.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not the main thread
            signal.signal(number, signal.SIG_IGN)  # it ends already
    if all(not thread.daemon for thread in threading.enumerate()):
        sys.exit(code)
    last = threading.Thread(target=_write_out, daemon=True)
    last.start()
    last.join(_WRITE_OUT_S)  # a terminal that is stopped takes nothing
    os._exit(code)


def _write_out() -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none at all
            stream.flush()
