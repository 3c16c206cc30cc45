"""What commands say on standard error."""

from __future__ import annotations

import contextlib
import sys

import click

from playhead.config.errors import ConfigError


def say(text: str) -> None:
    """Lines on standard error, each marked as ours. Where nobody reads them any more, the command goes on, and ends as it would."""
    with contextlib.suppress(BrokenPipeError):
        for line in text.split("\n"):
            print(f"playhead: {line}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """About something that does not stop the command."""
    say(f"warning: {text}")


def agreed(question: str, done: str) -> bool:
    """Whether a person agrees. `done`: what is done then. Raises ConfigError: nobody answers."""
    try:
        said_yes = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        raise ConfigError(f"nobody answered, so nothing was {done}: --yes goes on without asking") from None
    if not said_yes:
        click.echo(f"Nothing was {done}.", err=True)
    return said_yes
