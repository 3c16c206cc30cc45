"""From a test and what it wants to what it gets."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from playhead.config.errors import ConfigError
from playhead.config.policies import in_ci
from playhead.config.rules import rules_of

from .fixture import PlayheadFixture, PlayheadServer
from .names import file_name, session_name
from .servers import KINDS, Order, Servers
from .telling import Named, missing
from .wanted import Wanted, act_of, listed

if TYPE_CHECKING:
    import pytest


def run_of(config: pytest.Config) -> Wanted:
    """What the whole run wants."""
    told = config.getoption("--playhead-mode")
    rules = (*listed(config.getini("playhead_rules")), *(f"ignore {path}" for path in listed(config.getini("playhead_ignore"))))
    unused = config.getoption("--playhead-unused") or config.getini("playhead_unused")
    order = config.getoption("--playhead-order") or config.getini("playhead_order")
    allow, accept = listed(config.getini("playhead_allow")), config.getoption("--playhead-accept")
    return Wanted(told or config.getini("playhead_mode"), told is not None, rules=rules, allow=allow, unused=unused, order=order, accept=accept)


def test_name(item: pytest.Item) -> str:
    """`test_rain[Paris]`, `TestWeather.test_rain`. Not by its nodeid, to which others add."""
    import pytest

    return ".".join([node.name for node in item.listchain() if isinstance(node, pytest.Class | pytest.Item)])


def cassette_of(item: pytest.Item, named: str | None) -> Path:
    """Where the cassette of a test is. `named`: as its marker has it."""
    if named is not None:
        return item.path.parent / named
    return item.path.parent / str(item.config.getini("playhead_cassettes")) / item.path.stem / file_name(test_name(item))


def begun(
    item: pytest.Item, wanted: Wanted, servers: Servers, clash: Sequence[str] | None, *, shared: Collection[Path] = ()
) -> tuple[PlayheadFixture, dict[str, str]]:
    """Serve a test: what it gets, and the variables to set while it runs. `clash`: tests that would share a cassette with it; `shared`: cassettes that
    several tests have named. Raises PlayheadError."""
    if clash and wanted.cassette is None:
        raise ConfigError(f"{' and '.join(clash)} would have one cassette: name one for each with @pytest.mark.playhead(cassette=...)")
    try:
        rules = tuple(map(str, rules_of(wanted.rules)))
    except ValueError as error:
        raise ConfigError(f"a match rule of this test: {error}") from None
    cassette = cassette_of(item, wanted.cassette)
    session = session_name(item.path.stem, test_name(item))
    act = "auto" if wanted.mode in ("all", "once") and servers.written(cassette, item.nodeid) else act_of(wanted.mode, exists=cassette.is_file())
    tested = Named(item.nodeid, wanted.mode, shown(cassette, item.config.rootpath))
    order = Order(
        act=act,
        test=item.nodeid,
        session=session,
        cassette=cassette,
        rules=rules,
        faults=wanted.faults,
        allow=wanted.allow,
        settings=wanted.settings,
        missing=missing(tested, ci=in_ci(os.environ) and not wanted.told),
    )
    if cassette.resolve() in shared:  # of what other tests ask for, none knows; the end of the run does
        wanted = replace(wanted, unused="report")
    made = PlayheadFixture(servers.begin(order), wanted, cassette, tested)
    return made, made.env if wanted.env else {}


def server_of(wanted: Wanted, servers: Servers) -> PlayheadServer:
    """What leads to the server of each test while it runs. `wanted`: by the whole run. Raises PlayheadError."""
    kind = KINDS[act_of(wanted.mode, exists=False)]
    return PlayheadServer(f"http://{servers.front(kind)}", keys=kind == "replay")


def shown(path: Path, root: Path) -> str:
    """A path as a person looks for it."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
