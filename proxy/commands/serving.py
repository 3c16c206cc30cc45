"""`record`, `replay`, `auto` and `forward`: the proxy itself, alone or around a command."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import click

from playhead.config.errors import ConfigError
from playhead.config.loading import Loaded
from playhead.config.settings import Settings
from playhead.storage.costing.costs import about, pico

from .child import Child, ChildFailedError, without_proxies
from .options import SERVING, arguments, loaded, recordings, setting_flags
from .saying import say, warn

NO_KEY = "unused"
"""The API key of a program that is replayed and has none."""

_AROUND = """With -- COMMAND, playhead starts on free ports (unless --listen and --console say which), runs the command with OPENAI_BASE_URL pointing at
itself, stops when the command ends, and exits with the command's status."""
_RECORD = f"""Forward everything to upstream and record it.

Clients reach it by base URL: http://HOST:PORT/v1 records into the session given here, http://HOST:PORT/@NAME/v1 into session NAME.

{_AROUND}"""
_REPLAY = f"""Serve what was recorded, exactly as it was, with no key and no network.

Clients reach it by base URL: http://HOST:PORT/v1 replays the session given here, http://HOST:PORT/@NAME/v1 session NAME. The n-th of equal requests gets the
n-th recorded answer. A request that was not recorded is answered with 404 and the reason, which `playhead divergences SESSION` shows in full.

{_AROUND} That is 1 if it was 0 but the replay had divergences."""
_AUTO = f"""Serve what was recorded, and record what was not: replay --on-miss record.

What goes to upstream is recorded into the take that is replayed, and is not served again in the same run.

{_AROUND} That is 1 if it was 0 but the replay had divergences."""
_FORWARD = f"""Forward everything to upstream and record nothing.

{_AROUND}"""


@click.command(help=_RECORD, epilog="Example: playhead record --session nightly -- python agent.py")
@setting_flags(*SERVING)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def record(command: tuple[str, ...], **flags: Any) -> int:
    """Serve in record mode."""
    return _serve("record", flags, command)


@click.command(help=_REPLAY, epilog="Example: playhead replay --session nightly -- pytest tests/test_agent.py")
@setting_flags(*SERVING)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def replay(command: tuple[str, ...], **flags: Any) -> int:
    """Serve in replay mode."""
    return _serve("replay", flags, command)


@click.command(help=_AUTO, epilog="Example: playhead auto --session nightly -- pytest tests/test_agent.py")
@setting_flags(*[name for name in SERVING if name != "on_miss"])
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def auto(command: tuple[str, ...], **flags: Any) -> int:
    """Serve in replay mode, and record what is missing."""
    return _serve("replay", {**flags, "on_miss": "record"}, command)


@click.command(help=_FORWARD)
@setting_flags(*SERVING)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def forward(command: tuple[str, ...], **flags: Any) -> int:
    """Serve in forward mode."""
    return _serve("forward", flags, command)


def _serve(mode: Literal["record", "replay", "forward"], flags: Mapping[str, Any], command: tuple[str, ...]) -> int:
    settings = loaded({**flags, "mode": mode})
    if command:
        return _around(mode, flags, settings, command)
    for note in settings.notes:
        warn(note)
    from ..console.app import console_app
    from ..server import serve

    if settings.settings.cassette is None:
        return serve(settings.settings, console_app)
    from ..cassettes.cassette_files import unpacked  # with the store, which a server that only records leaves to its recorder

    with unpacked(settings.settings) as served:
        return serve(served, console_app)


def _around(mode: str, flags: Mapping[str, Any], settings: Loaded, command: tuple[str, ...]) -> int:
    """Run the command with the proxy as a child; the command's status, as a shell gives it."""
    if shutil.which(command[0]) is None:
        raise ConfigError(f"there is no command {command[0]!r} to run")
    begun = datetime.now(UTC)
    free = {name: "127.0.0.1:0" for name in ("listen", "console") if settings.sources[name] == "default"}
    try:
        with Child([mode, *arguments({**flags, **free})]) as child:
            print(child.ready_line, file=sys.stderr)
            status = _run(command, environment(child.base_url, settings.settings))
    except ChildFailedError as error:
        return error.status
    diverged = _replayed(settings.settings, child.last_line) if mode == "replay" else 0
    if settings.settings.records:
        _summarize(settings.settings, begun)
    return status or int(diverged > 0)


def _replayed(settings: Settings, line: str) -> int:
    """Say what was replayed, by the server's own last line; how many divergences there were."""
    counts = {name: int(number) for name, number in re.findall(r"(replayed|diverged|without|live|faults|ruled|unpriced|unused) (\d+)", line)}
    if not counts:
        say("the replay ended without saying what it had served")
        return 1
    served, diverged, live = counts["replayed"], counts["diverged"], counts["live"]
    ruled = [f"{counts['ruled']:,} of them by match rules"] if counts.get("ruled") else []
    parts = [f"{served:,} served", *ruled, *([f"{live:,} went to upstream"] if live else []), f"{diverged:,} diverged"]
    if settings.fault:
        met = counts.get("faults", 0)
        parts.append(f"{met:,} {'fault' if met == 1 else 'faults'} met")
    source = f"session {settings.session}" if settings.cassette is None else str(settings.cassette)
    say(f"replayed from {source}: {', '.join(parts)}")
    _unused(counts.get("unused", 0), re.findall(r"first (\d+)", line))
    saved = re.search(r"saved (\d+(?:\.\d+)?)", line)
    _money("saved by the replay", pico(saved[1]) if saved else 0, counts.get("unpriced", 0))
    if settings.fault and not counts.get("faults"):
        say(f"no request met {' or '.join(settings.fault)}: is there such a place? `playhead help faults`")
    elif settings.fault and settings.cassette is None:
        say(f"`playhead faults {settings.session}` shows what the command did after each")
    if ruled and settings.cassette is None:
        say(f"`playhead rules {settings.session} --hits` shows which rules made them equal")
    if diverged > counts.get("without", 0) and settings.cassette is None:
        say(f"`playhead divergences {settings.session}` shows what diverged")
    elif not served and not live and not diverged:
        say("nothing was replayed: the command sent no request to playhead")
    return diverged


def _unused(count: int, first: Sequence[str]) -> None:
    """A call that was dropped is seen by this alone."""
    if count:
        more = f" and {count - len(first):,} more" if count > len(first) else ""
        say(f"{count:,} recorded exchange{'s were' if count > 1 else ' was'} not asked for: {', '.join(first)}{more}")


def _money(what: str, amount: int, unpriced: int) -> None:
    if amount:
        say(f"{what}: {about(amount)}{f', and that of {unpriced:,} whose price is not known' if unpriced else ''}")


def _summarize(settings: Settings, begun: datetime) -> None:
    """Say what was recorded since then."""
    with recordings(settings) as store:
        found = [each for each in store.sessions() if each.last_at is not None and each.last_at >= begun]
        for each in found:
            outcomes = Counter(row.outcome or "open" for row in store.exchanges(each.session, since=begun))
            counted = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
            say(f"recorded in session {each.session}: {counted}")
        _, amount, _, unpriced, _ = store.ledger.paid(since=begun)
    _money("spent on live calls", amount, unpriced)
    if not found and settings.mode == "record":
        say("nothing was recorded: the command sent no request to playhead")


def environment(base_url: str, settings: Settings) -> dict[str, str]:
    """What the command is started with: the variables by which SDKs find their API.

    Another provider's variable is set only where upstream is that provider: its key must not go to anyone else. A replay that answers from recordings
    alone takes them all, and needs no key: SDKs that do not start without one get one.
    """
    openai = {"OPENAI_BASE_URL": f"{base_url}/v1", "OPENAI_API_BASE": f"{base_url}/v1"}
    anthropic = {"ANTHROPIC_BASE_URL": base_url}
    if settings.mode == "replay" and settings.on_miss == "fail":
        token = settings.replay_token.get_secret_value() if settings.replay_token is not None else None
        keys = {name: token or os.environ.get(name) or NO_KEY for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")}
        return {**without_proxies(os.environ), **openai, **anthropic, **keys}
    names = anthropic if (urlsplit(settings.upstream).hostname or "").endswith("anthropic.com") else openai
    return {**without_proxies(os.environ), **names}


def _run(command: tuple[str, ...], environ: Mapping[str, str]) -> int:
    # Ctrl-C and a stop are for the command to answer, as under a shell: this program waits for what it makes of them.
    process = subprocess.Popen(command, env=environ)
    before = {number: signal.signal(number, lambda given, _: process.send_signal(given)) for number in (signal.SIGTERM,)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status
