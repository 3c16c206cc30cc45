"""What is wanted of a test's playhead: the marker over the settings of the run, and a mode on the command line over both. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from playhead.config.errors import ConfigError
from playhead.config.policies import Exhausted

Mode = Literal["none", "once", "new_episodes", "all", "off"]
Act = Literal["replay", "auto", "record", "forward"]
Unused = Literal["report", "fail"]
Accept = Literal["rules", "as-is"]
Ordered = Literal["any", "fail"]

MODES: Sequence[Mode] = get_args(Mode)
UNUSED: Sequence[Unused] = get_args(Unused)
ORDERS: Sequence[Ordered] = get_args(Ordered)

ALLOWED: Mapping[str, str] = MappingProxyType(
    {
        "cassette": "the path of a cassette, beside the test module unless it is absolute",
        "mode": ", ".join(MODES),
        "rules": "a list of rules or of names of rule sets",
        "ignore": "a list of JSONPaths",
        "pace": "instant, recorded or a number with x",
        "exhausted": ", ".join(get_args(Exhausted)),
        "retry_after": "a time in seconds or with a unit",
        "faults": "a list of faults",
        "allow": "a list of paths in the cassette where what looks like a secret may stand",
        "allow_unused": "True, or how many exchanges",
        "order": ", ".join(ORDERS),
        "upstream": "a URL",
        "env": "True or False",
    }
)
_SETTINGS = ("pace", "exhausted", "retry_after", "upstream")
_LISTS = ("rules", "ignore", "faults", "allow")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`told`: the mode stands on the command line. `cassette`: None: the one that is named for the test. `rules`: those that hold beside the
    cassette's own. `allow`: where in the cassette what looks like a secret may stand. `settings`: of the server, by name. `allow_unused`: so many
    recorded exchanges need not be asked for; True: any number. `order`: whether they must be asked for in
    their order. `accept`: what becomes of requests that diverge. `env`: whether the variables by which
    SDKs find their API are set while the test runs.
    """

    mode: Mode = "none"
    told: bool = False
    cassette: str | None = None
    rules: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()
    allow_unused: bool | int = False
    unused: Unused = "report"
    order: Ordered = "any"
    accept: Accept | None = None
    env: bool = True


def with_markers(run: Wanted, markers: Sequence[tuple[Sequence[Any], Mapping[str, Any]]]) -> Wanted:
    """What a test wants. `run`: what the whole run wants; `markers`: arguments and keywords of the test's, the closest first.

    Rules, paths to ignore and what is allowed add up; of everything else the closest counts. Raises ConfigError.
    """
    found = run
    for arguments, keywords in reversed(markers):
        found = _with_marker(found, _named(arguments, keywords))
    return replace(found, mode=run.mode) if run.told else found


def _named(arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(arguments) > 1 or (arguments and "cassette" in keywords):
        raise ConfigError("@pytest.mark.playhead takes one argument without a name: the path of the cassette")
    return {"cassette": arguments[0], **keywords} if arguments else keywords


def _with_marker(found: Wanted, given: Mapping[str, Any]) -> Wanted:
    for name, value in given.items():
        if name not in ALLOWED:
            raise ConfigError(f"@pytest.mark.playhead knows no {name}: it takes {', '.join(ALLOWED)}")
        if not _fits(name, value):
            raise ConfigError(f"@pytest.mark.playhead({name}={value!r}): allowed is {ALLOWED[name]}")
    settings = {**dict(found.settings), **{name: given[name] for name in _SETTINGS if name in given}}
    return replace(
        found,
        mode=given.get("mode", found.mode),
        cassette=given.get("cassette", found.cassette),
        rules=tuple(dict.fromkeys((*found.rules, *listed(given.get("rules", ())), *(f"ignore {path}" for path in listed(given.get("ignore", ())))))),
        allow=tuple(dict.fromkeys((*found.allow, *listed(given.get("allow", ()))))),
        faults=listed(given["faults"]) if "faults" in given else found.faults,
        settings=tuple(sorted(settings.items())),
        allow_unused=given.get("allow_unused", found.allow_unused),
        order=given.get("order", found.order),
        env=given.get("env", found.env),
    )


def _fits(name: str, value: Any) -> bool:
    if name in _LISTS:
        return isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value))
    if name == "mode":
        return value in MODES
    if name == "order":
        return value in ORDERS
    if name == "cassette":
        return isinstance(value, str) and bool(value)
    if name == "allow_unused":
        return isinstance(value, int) and value >= 0
    return isinstance(value, bool) if name == "env" else True  # the settings look at the others themselves


def listed(value: str | Sequence[str]) -> tuple[str, ...]:
    """Several, or one alone."""
    return (value,) if isinstance(value, str) else tuple(value)


def in_force(wanted: Wanted, *, ci: bool) -> Wanted:
    """On a machine that builds nothing goes live because a file says so: there only the command line may tell it to."""
    return replace(wanted, mode="none") if ci and not wanted.told else wanted


def act_of(mode: Mode, *, exists: bool) -> Act:
    """What a server does. `exists`: whether there is a cassette."""
    if mode == "once":
        return "replay" if exists else "auto"
    acts: Mapping[str, Act] = {"none": "replay", "new_episodes": "auto", "all": "record", "off": "forward"}
    return acts[mode]
