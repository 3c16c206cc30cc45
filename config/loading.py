"""The settings in force, from flags over environment over playhead.toml over defaults.

Whatever is wrong is refused with its name, where it came from and what is allowed; no message repeats a secret.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .errors import ConfigError
from .policies import CI, in_ci
from .prices import PriceTable, own_table, parse_table
from .settings import BY_COMMAND, FILE_NAME, PREFIX, Settings, flag, hint, without_password


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings in force. `sources`: per setting `default`, `flag --NAME`, `environment variable NAME`, the file's name, or `command`.

    `notes`: what was asked for and is not done, for a person to read.
    """

    settings: Settings
    sources: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source: its values, each under its setting's name, and what to call the place where each stands."""

    values: Mapping[str, Any]
    places: Mapping[str, str]


def _flag_place(name: str) -> str:
    return f"flag {flag(name)}"


def load_settings(flags: Mapping[str, Any], *, environ: Mapping[str, str], cwd: Path, place: Callable[[str], str] = _flag_place, told: bool = True) -> Loaded:
    """The settings in force: `flags` over `PLAYHEAD_*` of `environ` over the settings file over defaults.

    `flags`: values by setting name, None or () for a flag that was not given; `config` names the settings file, else `PLAYHEAD_CONFIG` does, else it is
    `playhead.toml` in `cwd`, which may be absent. Empty environment variables count as not set. Raises ConfigError, which names all that is wrong.
    `place`: what to call the place where one of `flags` stands. `told`: whether they stand on the command line of this very run, so that a request that
    goes live by them was asked for, also where CI is set.
    """
    problems: list[str] = []
    config = flags.get("config") or environ.get(f"{PREFIX}CONFIG") or None
    layers = (_flag_layer(flags, place, problems), _environment_layer(environ, problems), _file_layer(config, cwd, problems))
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for layer in reversed(layers):
        values |= layer.values
        places |= layer.places
    _replay_alone(values, places, asked="workers" in layers[0].values)
    notes = _forbid_live(values, places, asked=told and "on_miss" in layers[0].values, environ=environ)
    try:
        settings = Settings(**{name: value for name, value in values.items() if name in Settings.model_fields})
    except ValidationError as error:
        problems += [_problem(item["loc"], item.get("ctx", {}).get("error"), values, places) for item in error.errors()]
    else:
        problems += _wrong_tables(settings, places) if "mode" in layers[0].values and settings.records else []
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))  # what may be of two kinds is wrong twice
    return Loaded(settings, {name: places.get(name, "default") for name in Settings.model_fields}, notes)


def _wrong_tables(settings: Settings, places: Mapping[str, str]) -> list[str]:
    """What is wrong with price tables, before anything is recorded that they would leave without a price."""
    try:
        read_tables(settings.price_table)
    except ConfigError as error:
        return [f"price_table = {', '.join(map(str, settings.price_table))} ({places['price_table']}): {error}"]
    return []


def read_tables(paths: Iterable[Path]) -> list[PriceTable]:
    """The tables of those files. Raises ConfigError, also for two that would have one name in the ledger."""
    named = {table.id: (table, "playhead's own table") for table in (own_table(),)}
    found = []
    for path in paths:
        table = _read(path)
        other, place = named.setdefault(table.id, (table, f"that of {path}"))
        if other.digest != table.digest:
            raise ConfigError(f"the price table {path}: it is called {table.id} as {place} is, and says something else: give it a version of its own")
        found.append(table)
    return found


def _read(path: Path) -> PriceTable:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the price table {path} cannot be read: {error.strerror}") from error
    return parse_table(text, str(path))


def _replay_alone(values: dict[str, Any], places: dict[str, str], *, asked: bool) -> None:
    """A replay counts what it has served, and so runs in one worker: how many others are to have is no reason to refuse it, unless it was `asked` for here."""
    if values.get("mode") != "replay" or "workers" not in values or asked:
        return
    with suppress(ValidationError):  # what is wrong is told, here as elsewhere
        if Settings(workers=values["workers"]).workers > 1:
            values["workers"], places["workers"] = 1, f"mode = replay ({places['mode']})"


def _forbid_live(values: dict[str, Any], places: dict[str, str], *, asked: bool, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Let nothing go live that must not: in CI unless it was `asked` for, elsewhere by the setting. What to say of it."""
    if "live" not in values and in_ci(environ) and not asked:
        values["live"], places["live"] = "no", f"environment variable {CI}"
    on_miss = values.get("on_miss")
    if values.get("live") != "no" or on_miss not in ("forward", "record"):
        return ()
    note = f"on_miss = {on_miss} ({places['on_miss']}) counts as fail: live = no ({places['live']})"
    values["on_miss"], places["on_miss"] = "fail", f"live = no ({places['live']})"
    return (f"{note}; --live yes lets a replay pass requests on to upstream",)


def _flag_layer(flags: Mapping[str, Any], place: Callable[[str], str], problems: list[str]) -> _Layer:
    given = {name: value for name, value in flags.items() if value is not None and value != () and name != "config"}
    unknown = (_unknown(name, f"{place(name)}: there is no such setting", str) for name in given if name not in BY_COMMAND)
    problems += [problem for problem in unknown if problem]
    return _Layer(given, {name: "command" if name in BY_COMMAND else place(name) for name in given})


def _environment_layer(environ: Mapping[str, str], problems: list[str]) -> _Layer:
    values, places = {}, {}
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and value and variable != f"{PREFIX}CONFIG":
            place = f"environment variable {variable}"
            if problem := _unknown(name, f"{place}: there is no such setting", lambda near: PREFIX + near.upper()):
                problems.append(problem)
            values[name], places[name] = value, place
    return _Layer(values, places)


def _file_layer(config: str | None, cwd: Path, problems: list[str]) -> _Layer:
    path = cwd / (Path(config).expanduser() if config else FILE_NAME)
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError:
        if not config:
            return _Layer({}, {})
        raise ConfigError(f"there is no settings file {config}") from None
    except OSError as error:
        raise ConfigError(f"the settings file {path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"the settings file {path.name} is not valid TOML: {error}") from error
    shown = config or FILE_NAME
    problems += [problem for name in values if (problem := _unknown(name, f"{name} ({shown}): there is no such setting", str))]
    return _Layer(values, dict.fromkeys(values, shown))


def _unknown(name: str, text: str, spell: Any) -> str | None:
    """What to say if no environment variable or file may set `name`; None if it may."""
    if name in BY_COMMAND:
        return f"{text}; the command chooses the {name}: playhead record, playhead replay, playhead forward"
    if name in Settings.model_fields:
        return None
    from difflib import get_close_matches

    known = sorted(Settings.model_fields.keys() - BY_COMMAND)
    near = get_close_matches(name.replace("-", "_").lower(), known, 1)
    return f"{text}; did you mean {spell(near[0])}?" if near else f"{text}; the settings are {', '.join(map(spell, known))}"


def _problem(loc: tuple[int | str, ...], reason: object, values: Mapping[str, Any], places: Mapping[str, str]) -> str:
    if not loc:
        return str(reason)
    name = str(loc[0])
    given = "..." if name.endswith("_token") else without_password(repr(values[name]))
    return f"{name} = {given} ({places[name]}): allowed is {str(reason or '') or hint(name).allowed}"
