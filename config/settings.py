"""The settings of playhead: one frozen value, and how each of them is written. `loading` says where it comes from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .assumptions import ASSUMED_HINT, Assumptions
from .faults import parse_faults
from .policies import Exhausted, optional_money
from .rules import Rule, rules_of, spelled, steps_of

PREFIX = "PLAYHEAD_"
FILE_NAME = "playhead.toml"
# Chosen by the command (`playhead record`, `playhead replay`), so that a forgotten variable never changes what a command does.
BY_COMMAND = frozenset({"mode"})

SESSION_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGT]i?)?B?")
_PACE = re.compile(r"(?:\d{1,6}(?:\.\d{1,3})?)x")
_TIME = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h)?")
_UNITS = "kMGT"
_FACTORS: Mapping[str, int] = {"": 1} | {f"{unit}{i}": (1024 if i else 1000) ** power for power, unit in enumerate(_UNITS, 1) for i in ("", "i")}
_SECONDS: Mapping[str, float] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_STORE_URL = re.compile(r"(sqlite|postgres|postgresql)(\+psycopg)?://(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on. Port 0 picks a free port. IPv6 addresses stand in brackets in text, without them in `host`."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """`HOST:PORT`, `[IPv6]:PORT`. Raises ValueError."""
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s\[\]:/@]+)):(\d{1,5})", text)
        if match is None or int(match[3]) > 65535:
            raise ValueError
        if match[1] and not _is_ipv6(match[1]):
            raise ValueError
        return cls(match[1] or match[2], int(match[3]))

    @property
    def loopback(self) -> bool:
        """True if nobody but this machine can reach it."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.partition("%")[0]).version == 6
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Hint:
    """How a setting is written: `metavar` in help texts, `allowed` in error messages and README."""

    metavar: str
    allowed: str


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _host_port(value: object) -> HostPort:
    return value if isinstance(value, HostPort) else HostPort.parse(_text(value))


def _upstream(value: object) -> str:
    text = _text(value)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # its text speaks of URLs in general
        raise ValueError from None
    if not usable or re.search(r"[^!-~]|[?#\\]", text):
        raise ValueError
    if parts.username is not None:
        raise ValueError("a URL without user name and password: the client's own key is forwarded")
    return text.rstrip("/")


def _store(value: object) -> str:
    match = _STORE_URL.fullmatch(_text(value))
    if match is None:
        raise ValueError
    if match[1] != "sqlite":
        return f"postgresql+psycopg://{match[3]}"
    if match[2] or not match[3].startswith("/") or len(match[3]) < 2:
        raise ValueError("sqlite:///FILE for a file in the working directory, sqlite:////FILE for one from the root")
    return f"sqlite://{match[3]}"


def _session(value: object) -> str:
    if not SESSION_NAME.fullmatch(_text(value)):
        raise ValueError
    return str(value)


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError
    return Path(value).expanduser()


def _count(value: object) -> object:
    # Otherwise `true` in a TOML file would be the number 1.
    if isinstance(value, bool | float):
        raise ValueError
    return value


def _optional_count(value: object) -> object:
    return None if value is None or value == "none" else _count(value)


def _seconds(value: object) -> float:
    if isinstance(value, str) and (match := _TIME.fullmatch(value.strip())):
        return float(match[1]) * _SECONDS[match[2] or ""]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError


def _optional_seconds(value: object) -> float | None:
    return None if value is None or value == "none" else _seconds(value)


def _size(value: object) -> int:
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return int(float(match[1]) * _FACTORS[(match[2] or "").replace("K", "k")])
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError


def _take(value: object) -> int | str:
    if isinstance(value, str) and value in ("newest", "all"):
        return value
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"[1-9]\d{0,8}", str(value), re.ASCII):
        raise ValueError
    return int(value)


def _pace(value: object) -> str:
    text = _text(value)
    if text not in ("instant", "recorded") and (not _PACE.fullmatch(text) or not float(text[:-1])):
        raise ValueError
    return text


def _token(value: object) -> SecretStr:
    text = value.get_secret_value() if isinstance(value, SecretStr) else _text(value)
    if not re.fullmatch(r"[!-~]{8,}", text):
        raise ValueError
    return SecretStr(text)


def _faults(value: object) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError
    try:
        return tuple([str(fault) for text in texts if text != "none" for fault in parse_faults(text)])
    except ValueError as error:
        raise ValueError(f"faults such as 429 retry-after=2 at turn 3, with ; between them; {error}") from None


def _assumed(value: object) -> str:
    return str(Assumptions.parse(_text(value)))


def _paths(value: object) -> tuple[Path, ...]:
    return tuple(map(_path, value)) if isinstance(value, list | tuple) else (_path(value),)


def _texts(value: object) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError
    return list(texts)


def _rules(value: object) -> tuple[str, ...]:
    texts = _texts(value)
    try:
        return ("none",) if texts == ["none"] else tuple(map(str, rules_of(texts)))
    except ValueError as error:
        raise ValueError(f"names of match rules such as codex,times, rules, or none; {error}") from None


def _ignored(value: object) -> tuple[str, ...]:
    try:
        return tuple([spelled(steps_of(text.strip())) for text in _texts(value)])
    except ValueError as error:
        raise ValueError(f"paths such as $.metadata.run_id; {error}") from None


_ADDRESS = Hint("HOST:PORT", "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080; port 0 picks a free one")
_FILE = Hint("FILE", "the path of a file")
_DURATION = Hint("TIME", "a time in seconds or with a unit, such as 10, 500ms or 5m, from 1ms to 24h")

Address = Annotated[HostPort, BeforeValidator(_host_port), _ADDRESS]
Token = Annotated[SecretStr | None, BeforeValidator(_token), Hint("TOKEN", "8 or more printable ASCII characters without spaces")]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0.001, le=86400), _DURATION]


class Settings(BaseSettings):
    """All settings of playhead. Frozen; can be pickled. `Settings(...)` itself reads neither environment nor files: `load_settings` does."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=False)

    upstream: Annotated[str, BeforeValidator(_upstream), Hint("URL", "an http or https URL without query, such as https://api.openai.com")] = Field(
        default="https://api.openai.com", description="The API that requests are forwarded to; its path, if any, is put in front of theirs."
    )
    listen: Address = Field(default=HostPort("127.0.0.1", 8080), description="Where clients connect.")
    console: Address = Field(default=HostPort("127.0.0.1", 8081), description="Where /healthz, /readyz and /metrics are served.")
    data: Annotated[Path, BeforeValidator(_path), Hint("DIR", "the path of a directory")] = Field(
        default=Path(".playhead"), description="The data directory: store, journal and key. It is made with mode 0700."
    )
    store: Annotated[str | None, BeforeValidator(_store), Hint("URL", "sqlite:///FILE or postgresql://USER@HOST/DATABASE")] = Field(
        default=None, description="The store's URL.", json_schema_extra={"shown_default": "sqlite:///DATA/store.db"}
    )
    key_file: Annotated[Path | None, BeforeValidator(_path), _FILE] = Field(
        default=None,
        description="The key that key_id is made with; hosts that write to one store share it.",
        json_schema_extra={"shown_default": "DATA/key"},
    )
    session: Annotated[str, BeforeValidator(_session), Hint("NAME", "1 to 128 of the characters A-Z a-z 0-9 . _ : -")] = Field(
        default="default", description="The session of requests that name none."
    )
    cassette: Annotated[Path | None, BeforeValidator(_path), _FILE] = Field(
        default=None, description="A cassette that is replayed as the session, in place of what the store holds; nothing is written beside it."
    )
    workers: Annotated[int, BeforeValidator(_count), Field(ge=1, le=64), Hint("N", "a whole number from 1 to 64")] = Field(
        default=1, description="How many worker processes share the port."
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
        Annotated[int, Field(ge=0)] | None, BeforeValidator(_optional_count), Hint("N|none", "a whole number of requests, 0 or more, or none")
    ] = Field(default=None, description="How many requests may go to upstream; what comes then is answered 403 live_budget. none: any number.")
    live_money: Annotated[str | None, BeforeValidator(optional_money), Hint("AMOUNT|none", 'a sum in USD as a text, such as "1.50", or none')] = Field(
        default=None, description="What live calls may cost; when that is spent, what comes then is answered 403 live_budget. none: any sum."
    )
    live_unpriced: Annotated[Literal["refuse", "allow"], Hint("refuse|allow", "refuse or allow")] = Field(
        default="refuse", description="With live_money, after a live call whose price nobody knows. refuse: no more of them. allow: it counts as nothing."
    )
    take: Annotated[
        Annotated[int, Field(ge=1)] | Literal["newest", "all"], BeforeValidator(_take), Hint("newest|N|all", "the number of a take, newest, or all")
    ] = Field(default="newest", description="Which take of a session is replayed; all: one after the other.")
    pace: Annotated[str, BeforeValidator(_pace), Hint("instant|recorded|Nx", "instant, recorded, or a number with x, such as 10x for ten times as fast")] = (
        Field(default="instant", description="How fast a replay answers: at once, or in the recorded times.")
    )
    retry_after: Annotated[
        Annotated[float, Field(ge=0, le=86400)] | None,
        BeforeValidator(_optional_seconds),
        Hint("TIME", "a time in seconds or with a unit, such as 0 or 500ms, up to 24h; or none"),
    ] = Field(default=None, description="What a replay serves in place of a recorded retry-after, so that a test does not wait; none: what was recorded.")
    exhausted: Annotated[Exhausted, Hint("fail|last|cycle", "fail, last or cycle")] = Field(
        default="fail",
        description="What a replay does when a request comes more often than it was recorded. last: the last answer is served again. "
        "cycle: its answers are served again from the first.",
    )
    rules: Annotated[
        tuple[str, ...],
        BeforeValidator(_rules),
        Hint("NAME,...", "names such as codex,times,uuid, a rule such as normalize uuid in $.input, or none; the flag may be given several times"),
    ] = Field(
        default=(),
        description="What does not count when a request is compared with recordings, beside the match rules that are stored with its session. "
        "When a session is recorded, its first ones. none: not even the stored ones. `playhead help rules` has the names.",
        json_schema_extra={"shown_default": "those of the session"},
    )
    ignore: Annotated[tuple[str, ...], BeforeValidator(_ignored), Hint("JSONPATH", "a path such as $.metadata.run_id; the flag may be given several times")] = (
        Field(default=(), description="A place in requests that does not count when they are compared with recordings.")
    )
    fault: Annotated[
        tuple[str, ...],
        BeforeValidator(_faults),
        Hint("SPEC", "a fault such as 429 retry-after=2 at turn 3, or several with ; between them; the flag may be given several times"),
    ] = Field(default=(), description="Faults that a replay serves on top of what was recorded: `playhead help faults`.")
    assume: Annotated[str, BeforeValidator(_assumed), Hint("NAME=VALUE,...", ASSUMED_HINT)] = Field(
        default="provider=path,region=global",
        description="What is taken for true where an exchange does not say it, so that it has a price; each price says what of it was assumed.",
    )
    price_table: Annotated[
        tuple[Path, ...],
        BeforeValidator(_paths),
        Hint("FILE", "the path of a TOML file; the flag may be given several times, and the last counts most"),
    ] = Field(default=(), description="Prices of your own, on top of those that playhead knows.")
    websockets: Annotated[Literal["on", "off"], Hint("on|off", "on or off")] = Field(
        default="on", description="off: every WebSocket handshake is answered 426, in every mode, so that clients fall back to HTTP."
    )
    replay_token: Token = Field(
        default=None,
        description="What a replay asks of its clients as their API key, or in the header Playhead-Token; needed unless it listens on a loopback address.",
    )
    ca_file: Annotated[Path | None, BeforeValidator(_path), _FILE] = Field(
        default=None,
        description="Certificates (PEM) to trust upstream by, instead of the system's.",
        json_schema_extra={"shown_default": "the system's"},
    )
    connect_timeout: Seconds = Field(default=10.0, description="How long connecting to upstream may take, TLS included.")
    read_timeout: Annotated[
        Annotated[float, Field(ge=0.001, le=86400)] | None,
        BeforeValidator(_optional_seconds),
        Hint("TIME", "a time in seconds or with a unit, such as 600 or 10m, from 1ms to 24h; or none"),
    ] = Field(default=None, description="How long upstream may be silent: unlimited by default, because a reasoning model is silent for minutes.")
    drain_timeout: Annotated[
        float, BeforeValidator(_seconds), Field(ge=0, le=86400), Hint("TIME", "a time in seconds or with a unit, such as 0, 30 or 5m, up to 24h")
    ] = Field(default=30.0, description="How long requests in flight may go on after a stop before they are broken off.")
    journal_limit: Annotated[
        int, BeforeValidator(_size), Field(ge=1 << 20), Hint("SIZE", "a number of bytes or a size such as 512MiB or 8GiB, at least 1MiB")
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
    def stored_rules(self) -> bool:
        """Whether rules that are stored with a session hold, too."""
        return self.rules != ("none",)

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
        text = "; ".join(value) or None if isinstance(value, tuple) else value
        plain[name] = text if isinstance(text, int | float | None) else without_password(str(text))
    return plain | {"store": without_password(settings.store_url), "key_file": str(settings.key_file or settings.data / "key")}
