"""`brainmusic train`: from what was recorded, a mapping."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from brainmusic_daemon.cli import options


class Kind(StrEnum):
    LINEAR = "linear"
    NEURAL = "neural"


class Split(StrEnum):
    BLOCKS = "blocks"
    PERSON = "person"


class Activation(StrEnum):  # mapping.model.ACTIVATIONS
    RELU = "relu"
    TANH = "tanh"
    SILU = "silu"
    ELU = "elu"
    GELU = "gelu"


def train(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="An XDF of `record`; a CSV of `render --controls`; or RECORDING@control=value,…: what it stands for. "
            "With NAME: before it, whose it is.",
        ),
    ],
    mapper: Annotated[Kind, typer.Option(help="What is learned.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The model, a .safetensors file.")],
    report: Annotated[Path | None, typer.Option(metavar="OUT.html", help="How good it is, as a page.")] = None,
    controls: Annotated[
        list[str] | None, typer.Option("--control", metavar="NAME", help="Learn only this one; several times for more.")
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option("--feature", metavar="NAME", help="Listen only to this one, or to all like alpha.*; as above."),
    ] = None,
    split: Annotated[
        Split,
        typer.Option(
            help="Test on stretches of each recording, or on persons it was not learned from.",
        ),
    ] = Split.BLOCKS,
    stretches: Annotated[int, typer.Option(min=2, max=20, help="Cut recordings into so many, to test on each.")] = 5,
    gap: Annotated[float, typer.Option(metavar="S", min=0.0, help="Distance of what is learned from to tests.")] = 4.0,
    block: Annotated[float, typer.Option(metavar="S", min=0.5, help="Length of the intervals' blocks.")] = 10.0,
    compare: Annotated[bool, typer.Option(help="Test the other kind too, for the report.")] = True,
    alpha: Annotated[
        float | None, typer.Option(metavar="A", min=0.0, help="Ridge penalty per row; default: tuned by the data.")
    ] = None,
    hidden: Annotated[str, typer.Option(metavar="N,N", help="Sizes of the network's hidden layers.")] = "64,64",
    activation: Annotated[
        Activation,
        typer.Option(help="Of the network's layers."),
    ] = Activation.RELU,
    dropout: Annotated[float, typer.Option(metavar="P", min=0.0, max=0.9, help="Of the network.")] = 0.1,
    weight_decay: Annotated[float, typer.Option(metavar="W", min=0.0, help="Of the network.")] = 1e-3,
    epochs: Annotated[int, typer.Option(metavar="N", min=1, help="At most; it stops when it learns no more.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Of the network: the same seed, the same network.")] = 0,
    config: options.ConfigFile = None,
    set: options.Settings = None,
) -> None:
    """Learn a mapping from recordings, test it on stretches it has not seen, and say how good it is.

    Example: brainmusic train rest.edf@tempo=60 busy.edf@tempo=120 --mapper linear --out my.safetensors --report my.html
    """
    from brainmusic_daemon.api import ConfigError
    from brainmusic_daemon.learning.fit import Plan
    from brainmusic_daemon.learning.network import Shape
    from brainmusic_daemon.service import training
    from brainmusic_daemon.service.screen import progress_bar

    options.log_to_terminal()
    try:
        sizes = tuple(int(size) for size in hidden.split(","))
    except ValueError:
        sizes = ()
    if not sizes or not all(1 <= size <= 1024 for size in sizes) or len(sizes) > 6:
        raise ConfigError(f"--hidden {hidden}: one to six sizes of 1 to 1024, e.g. 64,64")
    shape = Shape(sizes, str(activation), dropout, weight_decay, epochs=epochs, seed=seed)
    plan = Plan(str(mapper), compare, stretches, None, gap, block, split is Split.PERSON, alpha, shape)
    with options.interruptible() as interrupted, progress_bar("training") as progress:
        try:
            done = training.train(
                data,
                plan,
                out,
                report,
                config=config,
                overrides=set or (),
                controls=controls or (),
                features=features or (),
                stop=interrupted.stop,
                progress=progress,
            )
        except training.Stopped:
            raise typer.Exit(interrupted.exit_code or 130) from None
    typer.echo(training.summary(done, out, report))
