"""`brainmusic agency`: what can this person control?"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def agency(
    name: Annotated[str, typer.Argument(help="Whose profile it is: of `brainmusic calibrate`.")],
    config: options.ConfigFile = None,
    set: options.Settings = None,
    control: Annotated[
        list[str] | None, typer.Option("--control", metavar="C", help="Test this one; repeat for more.  [all]")
    ] = None,
    trials: Annotated[int, typer.Option(metavar="N", min=4, max=100, help="Cues in each direction, per control.")] = 8,
    seconds: Annotated[float, typer.Option(metavar="S", min=2.0, max=120.0, help="Each cue lasts so long.")] = 8.0,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the random order of the cues.")] = 0,
    record: Annotated[
        Path | None, typer.Option(metavar="OUT.xdf", help="Record the test too: signal, controls, cues.")
    ] = None,
    recording: Annotated[
        list[Path] | None, typer.Option("--from", metavar="RECORDING", help="Take recordings that hold cues instead.")
    ] = None,
) -> None:
    """Find out what you can control: the music plays, cues ask you to raise or lower one control after the other.

    Cues come in random order, balanced; the effect with its 95 % interval is stored in your profile.

    Example: brainmusic agency anna --control tempo --control loudness
    """
    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.clock import WallClock
    from brainmusic_daemon.features import profile_file
    from brainmusic_daemon.service import agency as test
    from brainmusic_daemon.service.agency_replay import from_recordings
    from brainmusic_daemon.service.screen import console, progress_bar
    from brainmusic_daemon.service.session import warm_up
    from brainmusic_daemon.service.trials import judge

    options.log_to_terminal(logging.INFO if not recording else logging.WARNING)
    profile_file.check_name(name)
    resolved = configuration.alone(configuration.load(config, [*(set or ()), f'session.profile="{name}"']), name)
    controls = test.chosen(resolved, control or ())
    if recording:
        found = from_recordings(resolved, recording, control or ())
    else:
        warm_up()
        with options.interruptible() as interrupted, progress_bar("steering") as progress:
            led = test.Agency(
                resolved,
                WallClock(),
                controls,
                trials=trials,
                trial_s=seconds,
                seed=seed,
                record=record,
                say=partial(console.print, soft_wrap=True),
                bell=console.bell,
                progress=progress,
                stop=interrupted.stop,
            )
            heard = led.run()
        if heard is None:
            raise typer.Exit(interrupted.exit_code)
        found = heard
    abilities = judge(found, seed)
    profile = profile_file.load(name)
    path = profile_file.save(replace(profile, agency={**profile.agency, **abilities}))
    typer.echo(f"What {name} can control, of {len(abilities)}:")
    for line in test.told(abilities):
        typer.echo(f"  {line}")
    if any(not one.shown for one in abilities.values()):
        typer.echo(f"What is not shown may still be there: more cues (--trials {2 * trials}) show smaller effects.")
    typer.echo(f"saved in {path}")
