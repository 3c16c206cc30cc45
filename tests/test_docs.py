"""README.md names everything there is: settings, commands, flags, metrics, error codes, tables, and what counts as a secret."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from playhead.config import secrets
from playhead.config.settings import BY_COMMAND, Settings, flag, hint
from playhead.proxy.cli import SECTIONS, cli
from playhead.proxy.commands.options import SERVING, default_text
from playhead.proxy.console.exposition import METRICS, Described
from playhead.proxy.forwarding.answers import ERRORS, Error
from playhead.proxy.testing.fixture import PlayheadFixture
from playhead.proxy.testing.wanted import ALLOWED, MODES
from playhead.storage import tables
from playhead.storage.column_types import metadata

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SHARED = {"help", *Settings.model_fields, "config"}
PUBLIC = tables.describe().rstrip("\n").split("\n\n")[:6]  # exchanges, events, items, sessions, takes, cost_lines


def commands() -> dict[str, click.Command]:
    """All commands by name."""
    context = click.Context(cli)
    return {name: command for name in cli.list_commands(context) if (command := cli.get_command(context, name))}


def own_flags(command: click.Command) -> list[click.Option]:
    """The flags of a command that are no settings, though one may be called as a setting is."""
    options = [option for option in command.params if isinstance(option, click.Option)]
    return [option for option in options if option.name not in SHARED or (option.name in Settings.model_fields and option.metavar != hint(option.name).metavar)]


def setting_row(name: str) -> str:
    """The line of a setting in README's table."""
    flag_name = f"`{flag(name)}`" if name not in BY_COMMAND else "none: the command"
    return f"| `{name}` | {flag_name} | `{default_text(name)}` | {hint(name).allowed} | {Settings.model_fields[name].description} |"


def command_row(name: str, command: click.Command) -> str:
    """The line of a command in README's table."""
    words = [parameter.metavar or (parameter.name or "").upper() for parameter in command.params if isinstance(parameter, click.Argument)]
    words = [word.replace("|", " or ") for word in words]
    flags = ", ".join(f"`{' '.join(filter(None, [option.opts[0], _metavar(option)]))}`" for option in own_flags(command))
    listed = next(section[name] for section in SECTIONS.values() if name in section)
    return f"| `{' '.join([name, *words])}` | {listed.help} | {flags or 'none'} |"


def _metavar(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return " or ".join(option.type.choices)
    return "" if option.is_flag else option.metavar or ""


def error_row(error: Error) -> str:
    """The line of an error code in README's table."""
    return f"| `{error.code}` | {error.status} | {error.meaning} | {'yes' if error.retry else 'no'} |"


def metric_row(metric: Described) -> str:
    """The line of a metric in README's table."""
    name = f"{metric.name}{{{metric.label}}}" if metric.label else metric.name
    return f"| `{name}` | {metric.kind} | {metric.help} |"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_there_with_its_default_and_what_is_allowed(name: str) -> None:
    assert setting_row(name) in TEXT


@pytest.mark.parametrize("name", commands())
def test_every_command_is_there_with_its_flags(name: str) -> None:
    assert command_row(name, commands()[name]) in TEXT


@pytest.mark.parametrize("name", commands())
def test_every_flag_of_every_command_says_what_it_is_for(name: str) -> None:
    options = [option for option in commands()[name].params if isinstance(option, click.Option)]

    assert [option.name for option in options if not (option.help or "").rstrip("]").strip()] == []


def test_the_serving_commands_take_every_setting_as_a_flag() -> None:
    for name in ("record", "replay", "forward", "config"):
        assert {option.name for option in commands()[name].params} >= set(SERVING)


@pytest.mark.parametrize("name", [name for name in commands() if name not in ("record", "replay", "auto", "forward", "config", "help")])
def test_every_command_on_recordings_can_be_told_where_they_are(name: str) -> None:
    assert {option.name for option in commands()[name].params} >= {"data", "store", "config"}


@pytest.mark.parametrize("error", ERRORS.values(), ids=str)
def test_every_error_code_is_there_with_its_status(error: Error) -> None:
    assert error_row(error) in TEXT


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_there(metric: Described) -> None:
    assert metric_row(metric) in TEXT


@pytest.mark.parametrize("table", PUBLIC, ids=lambda table: table.partition(":")[0])
def test_the_tables_for_people_are_there_with_every_column(table: str) -> None:
    assert table in TEXT


@pytest.mark.parametrize("name", sorted(table.name for table in metadata.tables.values()))
def test_every_table_is_named(name: str) -> None:
    assert re.search(rf"`{name}`|^{name}:", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name", sorted({*secrets.HEADERS, *secrets.HEADER_WORDS, *secrets.QUERY_PARAMETERS, *secrets.SUBPROTOCOLS, *secrets.FORM_FIELDS}))
def test_every_name_that_makes_a_secret_is_there(name: str) -> None:
    assert f"`{name}" in TEXT.lower()


@pytest.mark.parametrize("name", sorted({rule.name for rule in secrets.FIELDS}))
def test_every_field_that_holds_a_secret_is_there(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("status", range(4))
def test_every_exit_status_is_there(status: int) -> None:
    assert f"**{status}**" in TEXT


def test_the_version_has_its_entry_in_the_changelog() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)

    assert version is not None
    assert f"## {version[1]}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_option_and_setting_of_the_pytest_plugin_is_there(pytestconfig: pytest.Config) -> None:
    options = [name for option in vars(pytestconfig.option) if option.startswith("playhead_") for name in (f"--{option.replace('_', '-')}",)]
    settings = [name for name in pytestconfig._parser._inidict if name.startswith("playhead_")]

    assert len(options) > 1
    assert [name for name in (*options, *settings, *MODES) if f"`{name}`" not in TEXT] == []


@pytest.mark.parametrize("name", ALLOWED)
def test_every_keyword_of_the_marker_is_there(name: str) -> None:
    assert re.search(rf"^\|[^|]*`{name}`", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in dir(PlayheadFixture) if not name.startswith("_") and name not in ("complaint", "finish", "counted")])
def test_everything_that_the_fixture_offers_is_there(name: str) -> None:
    assert re.search(rf"`{name}(\(SPEC\))?`", TEXT)
