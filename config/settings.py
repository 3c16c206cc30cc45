"""The settings of playhead: one frozen value, and how each of them is written. `loading` says where it comes from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .assumptions import ASSUMED_HINT
from .budgets import BUDGET_HINT
from .policies import Exhausted, optional_money
from .retention import AGE_HINT, SESSIONS_HINT, SIZE_HINT, Clocks, Override, Retention
from .rules import Rule, rules_of
from .setting_values import (
    SESSION_NAME,
    Hint,
    HostPort,
    assumed_of,
    budgets_of,
    count_of,
    faults_of,
    host_port_of,
    ignored_of,
    key_names_of,
    label_headers_of,
    match_rules_of,
    optional_age_of,
    optional_count_of,
    optional_seconds_of,
    optional_size_of,
    overrides_of,
    pace_of,
    path_of,
    paths_of,
    seconds_of,
    session_of,
    size_of,
    store_of,
    take_of,
    token_of,
    upstream_of,
)

__all__ = ["BY_COMMAND", "FILE_NAME", "PREFIX", "SESSION_NAME", "Hint", "HostPort", "Settings", "flag", "hint", "shown", "without_password"]

PREFIX = "PLAYHEAD_"
FILE_NAME = "playhead.toml"
# Chosen by the command (`playhead record`, `playhead replay`), so that a forgotten variable never changes what a command does.
BY_COMMAND = frozenset({"mode"})

_KEY_NAME = "a key_id and a name, such as k_0123456789abcdef=production, with commas between; the flag may be given several times"
_ADDRESS = Hint("HOST:PORT", "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080; port 0 picks a free one")
_FILE = Hint("FILE", "the path of a file")
_DURATION = Hint("TIME", "a time in seconds or with a unit, such as 10, 500ms or 5m, from 1ms to 24h")

Address = Annotated[HostPort, BeforeValidator(host_port_of), _ADDRESS]
Token = Annotated[SecretStr | None, BeforeValidator(token_of), Hint("TOKEN", "8 or more printable ASCII characters without spaces")]
Age = Annotated[float | None, BeforeValidator(optional_age_of), Hint("AGE|none", AGE_HINT)]
Seconds = Annotated[float, BeforeValidator(seconds_of), Field(ge=0.001, le=86400), _DURATION]


class Settings(BaseSettings):
    """All settings of playhead. Frozen; can be pickled. `Settings(...)` itself reads neither environment nor files: `load_settings` does."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=False)

    upstream: Annotated[str, BeforeValidator(upstream_of), Hint("URL", "an http or https URL without query, such as https://api.openai.com")] = Field(
        default="https://api.openai.com", description="The API that requests are forwarded to; its path, if any, is put in front of theirs."
    )
    listen: Address = Field(default=HostPort("127.0.0.1", 8080), description="Where clients connect.")
    console: Address = Field(default=HostPort("127.0.0.1", 8081), description="Where /healthz, /readyz and /metrics are served.")
    data: Annotated[Path, BeforeValidator(path_of), Hint("DIR", "the path of a directory")] = Field(
        default=Path(".playhead"), description="The data directory: store, journal and key. It is made with mode 0700."
    )
    store: Annotated[str | None, BeforeValidator(store_of), Hint("URL", "sqlite:///FILE or postgresql://USER@HOST/DATABASE")] = Field(
        default=None, description="The store's URL.", json_schema_extra={"shown_default": "sqlite:///DATA/store.db"}
    )
    key_file: Annotated[Path | None, BeforeValidator(path_of), _FILE] = Field(
        default=None,
        description="The key that key_id is made with; hosts that write to one store share it.",
        json_schema_extra={"shown_default": "DATA/key"},
    )
    session: Annotated[str, BeforeValidator(session_of), Hint("NAME", "1 to 128 of the characters A-Z a-z 0-9 . _ : -")] = Field(
        default="default", description="The session of requests that name none."
    )
    cassette: Annotated[Path | None, BeforeValidator(path_of), _FILE] = Field(
        default=None, description="A cassette that is replayed as the session, in place of what the store holds; nothing is written beside it."
    )
    workers: Annotated[int, BeforeValidator(count_of), Field(ge=1, le=64), Hint("N", "a whole number from 1 to 64")] = Field(
        default=1, description="How many worker processes share the port; a replay has one."
    )
    durability: Annotated[Literal["relaxed", "strict"], Hint("relaxed|strict", "relaxed or strict")] = Field(
        default="relaxed",
        description="relaxed: recording never delays or refuses traffic. "
        "strict: nothing reaches a client before it is on disk, and what cannot be recorded is refused.",
    )
    mode: Annotated[Literal["record", "forward", "replay"], Hint("record|forward|replay", "record, forward or replay")] = Field(
        default="record", description="What is done with a request; the command chooses it."
    )
    on_miss: Annotated[Literal["fail", "forward", "record"], Hint("fail|forward|record", "fail, forward or record")] = Field(
        default="fail",
        description="What a replay does with a request that has no recorded twin. fail: it answers 404 and says why. forward: upstream answers. "
        "record: upstream answers, and that is recorded into the take.",
    )
    live: Annotated[Literal["yes", "no"], Hint("yes|no", "yes or no")] = Field(
        default="yes",
        description="no: a replay passes nothing on to upstream, whatever on_miss says. So it is where CI is set, unless the command line asks for "
        "it: playhead auto, --on-miss or --live yes.",
        json_schema_extra={"shown_default": "yes; no where CI is set"},
    )
    live_calls: Annotated[
        Annotated[int, Field(ge=0)] | None, BeforeValidator(optional_count_of), Hint("N|none", "a whole number of requests, 0 or more, or none")
    ] = Field(default=None, description="How many requests may go to upstream; what comes then is answered 403 live_budget. none: any number.")
    live_money: Annotated[str | None, BeforeValidator(optional_money), Hint("AMOUNT|none", 'a sum in USD as a text, such as "1.50", or none')] = Field(
        default=None, description="What live calls may cost; when that is spent, what comes then is answered 403 live_budget. none: any sum."
    )
    live_unpriced: Annotated[Literal["refuse", "allow"], Hint("refuse|allow", "refuse or allow")] = Field(
        default="refuse", description="With live_money, after a live call whose price nobody knows. refuse: no more of them. allow: it counts as nothing."
    )
    take: Annotated[
        Annotated[int, Field(ge=1)] | Literal["newest", "all"], BeforeValidator(take_of), Hint("newest|N|all", "the number of a take, newest, or all")
    ] = Field(default="newest", description="Which take of a session is replayed; all: one after the other.")
    pace: Annotated[str, BeforeValidator(pace_of), Hint("instant|recorded|Nx", "instant, recorded, or a number with x, such as 10x for ten times as fast")] = (
        Field(default="instant", description="How fast a replay answers: at once, or in the recorded times.")
    )
    retry_after: Annotated[
        Annotated[float, Field(ge=0, le=86400)] | None,
        BeforeValidator(optional_seconds_of),
        Hint("TIME", "a time in seconds or with a unit, such as 0 or 500ms, up to 24h; or none"),
    ] = Field(default=None, description="What a replay serves in place of a recorded retry-after, so that a test does not wait; none: what was recorded.")
    exhausted: Annotated[Exhausted, Hint("fail|last|cycle", "fail, last or cycle")] = Field(
        default="fail",
        description="What a replay does when a request comes more often than it was recorded. last: the last answer is served again. "
        "cycle: its answers are served again from the first.",
    )
    rules: Annotated[
        tuple[str, ...],
        BeforeValidator(match_rules_of),
        Hint("NAME,...", "names such as codex,times,uuid, a rule such as normalize uuid in $.input, or none; the flag may be given several times"),
    ] = Field(
        default=(),
        description="What does not count when a request is compared with recordings, beside the match rules that are stored with its session. "
        "When a session is recorded, its first ones. none: not even the stored ones. `playhead help rules` has the names.",
        json_schema_extra={"shown_default": "those of the session"},
    )
    ignore: Annotated[
        tuple[str, ...],
        BeforeValidator(ignored_of),
        Hint("JSONPATH", "paths such as $.metadata.run_id with commas between them; the flag may be given several times"),
    ] = Field(default=(), description="A place in requests that does not count when they are compared with recordings.")
    fault: Annotated[
        tuple[str, ...],
        BeforeValidator(faults_of),
        Hint("SPEC", "a fault such as 429 retry-after=2 at turn 3, or several with ; between them; the flag may be given several times"),
    ] = Field(default=(), description="Faults that a replay serves on top of what was recorded: `playhead help faults`.")
    assume: Annotated[str, BeforeValidator(assumed_of), Hint("NAME=VALUE,...", ASSUMED_HINT)] = Field(
        default="provider=path,region=global",
        description="What is taken for true where an exchange does not say it, so that it has a price; each price says what of it was assumed.",
    )
    price_table: Annotated[
        tuple[Path, ...],
        BeforeValidator(paths_of),
        Hint("FILE", "the path of a TOML file; the flag may be given several times, and the last counts most"),
    ] = Field(default=(), description="Prices of your own, on top of those that playhead knows.")
    budgets: Annotated[tuple[str, ...], BeforeValidator(budgets_of), Hint("BUDGET", f"{BUDGET_HINT}; the flag may be given several times")] = Field(
        default=(), description="What may be spent, shown as metrics while recording, spent and limit; `playhead audit --budget settings` checks it."
    )
    key_name: Annotated[tuple[str, ...], BeforeValidator(key_names_of), Hint("ID=NAME,...", _KEY_NAME)] = Field(
        default=(), description="What keys are called in reports, by their key_id; several of one name are one there."
    )
    label_header: Annotated[
        tuple[str, ...],
        BeforeValidator(label_headers_of),
        Hint("NAME,...", "names of request headers such as x-team,x-env; the flag may be given several times"),
    ] = Field(
        default=(),
        description="Request headers by which reports can be grouped: `audit --by header:x-team`. What holds a secret is refused. `playhead reparse --all` "
        "does the same for recordings of before.",
    )
    keep_content: Age = Field(
        default=None,
        description="How long what was said is kept: bodies, heads, events, items, fingerprints, connection logs. "
        "Then it goes, and the row of the exchange stays, with its usage and its costs.",
    )
    keep_costs: Age = Field(
        default=None, description="How long usage and costs are kept. The row of an exchange goes when neither its content nor its costs are kept any more."
    )
    keep_size: Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(optional_size_of), Hint("SIZE|none", SIZE_HINT)] = Field(
        default=None, description="How big the store may grow: when it is bigger, the content that was recorded first goes before its time."
    )
    keep_session: Annotated[tuple[str, ...], BeforeValidator(overrides_of), Hint("NAME: CLOCKS", f"{SESSIONS_HINT}; the flag may be given several times")] = (
        Field(default=(), description="Clocks of single sessions, before those of all; size is that of their own content. The first that fits counts.")
    )
    websockets: Annotated[Literal["on", "off"], Hint("on|off", "on or off")] = Field(
        default="on", description="off: every WebSocket handshake is answered 426, in every mode, so that clients fall back to HTTP."
    )
    replay_token: Token = Field(
        default=None,
        description="What a replay asks of its clients as their API key, or in the header Playhead-Token; needed unless it listens on a loopback address.",
    )
    ca_file: Annotated[Path | None, BeforeValidator(path_of), _FILE] = Field(
        default=None,
        description="Certificates (PEM) to trust upstream by, instead of the system's.",
        json_schema_extra={"shown_default": "the system's"},
    )
    connect_timeout: Seconds = Field(default=10.0, description="How long connecting to upstream may take, TLS included.")
    read_timeout: Annotated[
        Annotated[float, Field(ge=0.001, le=86400)] | None,
        BeforeValidator(optional_seconds_of),
        Hint("TIME", "a time in seconds or with a unit, such as 600 or 10m, from 1ms to 24h; or none"),
    ] = Field(default=None, description="How long upstream may be silent: unlimited by default, because a reasoning model is silent for minutes.")
    drain_timeout: Annotated[
        float, BeforeValidator(seconds_of), Field(ge=0, le=86400), Hint("TIME", "a time in seconds or with a unit, such as 0, 30 or 5m, up to 24h")
    ] = Field(default=30.0, description="How long requests in flight may go on after a stop before they are broken off.")
    journal_limit: Annotated[
        int, BeforeValidator(size_of), Field(ge=1 << 20), Hint("SIZE", "a number of bytes or a size such as 512MiB or 8GiB, at least 1MiB")
    ] = Field(default=8 << 30, description="How big the journal may grow while the recorder cannot keep up; what comes then is not recorded, and counted.")
    console_token: Token = Field(default=None, description="What the console asks for as a bearer token; needed unless it listens on a loopback address.")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Hint("LEVEL", "debug, info, warning or error")] = Field(
        default="info", description="Which log lines are written to standard error."
    )

    @model_validator(mode="after")
    def _console_is_guarded(self) -> Settings:
        if not self.console.loopback and self.console_token is None:
            raise ValueError(f"console = {str(self.console)!r} can be reached from other machines: it needs a console_token that its users must give")
        return self

    @model_validator(mode="after")
    def _cassette_is_replayed(self) -> Settings:
        if self.cassette is not None and (self.mode != "replay" or self.on_miss == "record"):
            raise ValueError(f"cassette = {str(self.cassette)!r}: only a replay that records nothing can serve it; `playhead export` writes cassettes")
        return self

    @model_validator(mode="after")
    def _live_calls_can_be_counted(self) -> Settings:
        for name, value in (("live_calls", self.live_calls), ("live_money", self.live_money)):
            if value is not None and self.workers > 1:
                raise ValueError(f"{name} = {value}: live calls are counted by one worker, and there are {self.workers} workers")
        if self.live_money is not None and (self.mode == "forward" or self.on_miss == "forward"):
            raise ValueError(f"live_money = {self.live_money}: only what is recorded has a price")
        return self

    @model_validator(mode="after")
    def _replay_is_possible(self) -> Settings:
        if self.mode == "replay" and self.workers > 1:
            raise ValueError(f"workers = {self.workers}: a replay counts what it has served, and so runs in one worker")
        if self.mode == "replay" and not self.listen.loopback and self.replay_token is None:
            raise ValueError(f"listen = {str(self.listen)!r} can be reached from other machines: to replay there needs a replay_token that clients must give")
        return self

    @property
    def records(self) -> bool:
        """Whether anything may be recorded: a journal is written, and a recorder runs."""
        return self.mode == "record" or (self.mode == "replay" and self.on_miss == "record")

    @property
    def match_rules(self) -> tuple[Rule, ...]:
        """Those that the settings ask for."""
        return rules_of([*(text for text in self.rules if text != "none"), *(f"ignore {path}" for path in self.ignore)])

    @property
    def key_names(self) -> dict[str, str]:
        """The names of keys, by their key_id."""
        return dict(one.split("=", 1) for one in self.key_name)

    @property
    def stored_rules(self) -> bool:
        """Whether rules that are stored with a session hold, too."""
        return self.rules != ("none",)

    @property
    def retention(self) -> Retention:
        """How long recordings are kept."""
        return Retention(Clocks(self.keep_content, self.keep_costs, self.keep_size), tuple(map(Override.parse, self.keep_session)))

    @property
    def speed(self) -> float:
        """How many times as fast as recorded a replay answers; infinity: at once."""
        return {"instant": float("inf"), "recorded": 1.0}.get(self.pace) or float(self.pace[:-1])

    @property
    def store_url(self) -> str:
        """The store's SQLAlchemy URL, the default one spelled out. May hold a password."""
        return self.store or f"sqlite:///{quote(str(self.data / 'store.db'))}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the constructor is given counts: `load_settings` brings its own sources, whose every key has an origin."""
        return (init_settings,)


def hint(name: str) -> Hint:
    """How the setting of that name is written."""
    return next(item for item in Settings.model_fields[name].metadata if isinstance(item, Hint))


def flag(name: str) -> str:
    """The flag of a setting on the command line."""
    return f"--{name.replace('_', '-')}"


def without_password(text: str) -> str:
    """`text` with what may be a password in its URL replaced."""
    return re.sub(r"(://[^/@:\s]*):[^/\s]*@", r"\1:***@", re.sub(r"([?&][^=&\s]*(?:password|secret|token|key)[^=&\s]*=)[^&\s]+", r"\1***", text))


def shown(settings: Settings) -> dict[str, str | int | float | None]:
    """Every setting as a person or a program may see it: no token, no password; times in seconds, sizes in bytes."""
    plain: dict[str, str | int | float | None] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        text = "; ".join(map(str, value)) or None if isinstance(value, tuple) else value
        plain[name] = text if isinstance(text, int | float | None) else without_password(str(text))
    return plain | {"store": without_password(settings.store_url), "key_file": str(settings.key_file or settings.data / "key")}
