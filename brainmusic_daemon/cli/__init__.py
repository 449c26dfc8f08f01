"""The command `brainmusic`: one small module per subcommand, no logic in any of them."""

from __future__ import annotations

import os
import sys

# Small matrices are faster on one thread, and the tick must not wait for a pool; set before numpy is first imported.
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")


def main() -> None:
    """Run the command line; every failure that a user can cause ends in one message and its exit code."""
    import typer

    from brainmusic_daemon import __version__
    from brainmusic_daemon.api import BrainmusicError
    from brainmusic_daemon.cli import check, devices, render, replay, run

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

    for command in (run.run, render.render, replay.replay, devices.devices, check.check):
        app.command()(command)
    try:
        app()
    except BrainmusicError as error:
        sys.stderr.write(f"brainmusic: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
