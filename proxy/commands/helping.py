"""`help`: pages about what takes more than a line to explain. They lie inside the package, and what stands in them is run by the tests."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable

import click

from playhead.config.errors import ConfigError


@click.command("help")
@click.argument("topic", required=False, metavar="TOPIC")
@click.pass_context
def help_(context: click.Context, topic: str | None) -> None:
    """Explain a topic at length, or a command. Without a topic: list those there are."""
    pages = topics()
    if topic is None:
        width = max(map(len, pages))
        for name, page in pages.items():
            click.echo(f"  playhead help {name.ljust(width)}   {title(page)}")
        return
    if topic in pages:
        _print(pages[topic])
        return
    parent = context.parent
    assert parent is not None
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, topic)
    if command is None:
        known = [*pages, *parent.command.list_commands(parent)]
        near = get_close_matches(topic, known, 1)
        raise ConfigError(f"there is no topic {topic!r}{f'; did you mean {near[0]}?' if near else ''}: topics are {', '.join(pages)}, and all commands")
    with click.Context(command, info_name=topic, parent=parent) as own:
        click.echo(command.get_help(own))


def topics() -> dict[str, str]:
    """The pages by topic."""
    folder: Traversable = files("playhead.proxy").joinpath("help")
    found = sorted((one.name.removesuffix(".md"), one.read_text(encoding="utf-8")) for one in folder.iterdir() if one.name.endswith(".md"))
    return dict(sorted(found, key=lambda page: (page[0] != "testing", page[0])))


def title(page: str) -> str:
    """What it is about: its first line."""
    return page.partition("\n")[0].removeprefix("# ")


def _print(page: str) -> None:
    if not sys.stdout.isatty():
        click.echo(page, nl=False)
        return
    from rich.markdown import Markdown

    from ..listing import terminal

    terminal().print(Markdown(page))
