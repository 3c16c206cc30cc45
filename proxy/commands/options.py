"""What commands share: the flags made of the settings, and the way from flags to settings and to the store."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from playhead.config.errors import ConfigError
from playhead.config.loading import Loaded, load_settings
from playhead.config.retention import age_text, size_text
from playhead.config.settings import BY_COMMAND, SESSION_NAME, Settings, flag, hint

from .saying import warn

if TYPE_CHECKING:
    from playhead.storage.store import Store

F = TypeVar("F", bound=Callable[..., Any])

SERVING = tuple(name for name in Settings.model_fields if name not in BY_COMMAND)
RECORDINGS = ("data", "store", "key_file")

_UNITS: Mapping[str, str] = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def setting_flags(*names: str) -> Callable[[F], F]:
    """A flag per setting, and `--config`. Values stay text: `load_settings` checks all sources alike."""

    def decorate(command: F) -> F:
        command = click.option("--config", metavar="FILE", help=_help("The settings file.", "playhead.toml, if there is one"))(command)
        for name in reversed(names):
            text = _help(Settings.model_fields[name].description or "", default_text(name))
            several = isinstance(Settings.model_fields[name].default, tuple)
            command = click.option(flag(name), name, metavar=hint(name).metavar, multiple=several, help=text)(command)
        return command

    return decorate


def _help(text: str, default: str) -> str:
    return f"{text} [{default}]"


def json_flag(command: F) -> F:
    """`--json` of a listing."""
    return click.option("--json", "as_json", is_flag=True, help="JSON lines, for programs: stable names, UTC times in RFC 3339.")(command)


def default_text(name: str) -> str:
    """The default of a setting as a person writes it."""
    field = Settings.model_fields[name]
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["shown_default"])
    return in_words(name, field.default)


def in_words(name: str, value: object) -> str:
    """The value of a setting as a person writes it."""
    if value is None or value == ():
        return "none"
    if name.endswith(("_timeout", "_after")) and isinstance(value, int | float):
        return f"{value:g}s"
    if name in ("journal_limit", "keep_size") and isinstance(value, int):
        return size_text(value)
    if name.startswith("keep_") and isinstance(value, float):
        return age_text(value)
    return str(value)


def loaded(flags: Mapping[str, Any]) -> Loaded:
    """The settings in force for the flags of a command. Raises ConfigError."""
    return load_settings(flags, environ=os.environ, cwd=Path.cwd())


def arguments(flags: Mapping[str, Any]) -> list[str]:
    """The flags as they would be written on a command line."""
    given = [(name, value) for name, values in flags.items() for value in (values if isinstance(values, tuple) else (values,))]
    return [f"{flag(name)}={value}" for name, value in given if value is not None]


@contextmanager
def recordings(settings: Settings, on_missing: Callable[[str], None] | None = None) -> Iterator[Store]:
    """The store, once it holds all that was recorded before now; `on_missing`, else a warning, says what it still lacks. Raises StoreError."""
    from ..headway import open_store
    from ..processes.settle import settle

    logging.basicConfig(format="playhead: %(message)s", level=logging.WARNING, stream=sys.stderr)
    if missing := settle(settings):
        (on_missing or warn)(missing)
    with open_store(settings.store_url) as store:
        yield store


def session_name(text: str) -> str:
    """A session as a person names it: NAME or @NAME. Raises ConfigError."""
    name = text.removeprefix("@")
    if not SESSION_NAME.fullmatch(name):
        raise ConfigError(f"{text!r} is no name of a session: {hint('session').allowed}")
    return name


def exchange_id(text: str) -> int:
    """The id of an exchange. Raises ConfigError."""
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise ConfigError(f"{text!r} is no exchange: exchanges have numbers, which `playhead exchanges SESSION` lists as ID")
    return int(text)


def connection_id(text: str) -> int:
    """The id of a connection. Raises ConfigError."""
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise ConfigError(f"{text!r} is no connection: connections have numbers, which `playhead connections SESSION` lists as ID")
    return int(text)


def since_time(text: str, now: datetime, named: str = "--since") -> datetime:
    """A moment: RFC 3339, or an age such as 10m, 2h, 3d. Raises ConfigError; `named`: the flag that it stands behind."""
    try:
        if match := re.fullmatch(r"(\d{1,9})([smhd])", text):
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ConfigError(f"{named} {text!r}: allowed is a time such as 2026-11-22T08:30:00Z, a date, or an age such as 90s, 10m, 2h or 3d") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
