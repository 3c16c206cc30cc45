"""How single settings are written. Each `..._of` takes what a flag, a variable or a file says and gives what it means; it raises ValueError.

A ValueError without a text: what the setting's hint says is allowed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from . import retention
from .assumptions import Assumptions
from .budgets import EACH, parse_budgets
from .faults import parse_faults
from .rules import places_of, rules_of
from .secrets import header_kind

SESSION_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PACE = re.compile(r"(?:\d{1,6}(?:\.\d{1,3})?)x")
_TIME = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h)?")
_SECONDS: Mapping[str, float] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_KEY_NAME = re.compile(r"(k_[0-9a-f]{16})=([^\s=,][^=,\x00-\x1f]{0,63})")
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}")
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


def host_port_of(value: object) -> HostPort:
    return value if isinstance(value, HostPort) else HostPort.parse(_text(value))


def upstream_of(value: object) -> str:
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


def store_of(value: object) -> str:
    match = _STORE_URL.fullmatch(_text(value))
    if match is None:
        raise ValueError
    if match[1] != "sqlite":
        return f"postgresql+psycopg://{match[3]}"
    if match[2] or not match[3].startswith("/") or match[3] in ("/", "/:memory:") or "?" in match[3]:
        raise ValueError("sqlite:///FILE for a file in the working directory, sqlite:////FILE for one from the root")
    return f"sqlite://{match[3]}"


def session_of(value: object) -> str:
    if not SESSION_NAME.fullmatch(_text(value)):
        raise ValueError
    return str(value)


def path_of(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError
    return Path(value).expanduser()


def count_of(value: object) -> object:
    # Otherwise `true` in a TOML file would be the number 1.
    if isinstance(value, bool | float):
        raise ValueError
    return value


def optional_count_of(value: object) -> object:
    return None if value is None or value == "none" else count_of(value)


def seconds_of(value: object) -> float:
    if isinstance(value, str) and (match := _TIME.fullmatch(value.strip())):
        return float(match[1]) * _SECONDS[match[2] or ""]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError


def optional_seconds_of(value: object) -> float | None:
    return None if value is None or value == "none" else seconds_of(value)


def size_of(value: object) -> int:
    if isinstance(value, str):
        return retention.size_of(value.strip())
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError


def optional_size_of(value: object) -> int | None:
    return None if value is None or value == "none" else size_of(value)


def optional_age_of(value: object) -> float | None:
    if value is None or value == "none":
        return None
    # A number without a unit is refused: who writes 30 and means days would lose everything.
    return 0.0 if value == 0 and not isinstance(value, bool) else retention.age_of(_text(value).strip())


def overrides_of(value: object) -> tuple[str, ...]:
    return tuple([str(retention.Override.parse(text)) for text in texts_of(value) if text != "none"])


def take_of(value: object) -> int | str:
    if isinstance(value, str) and value in ("newest", "all"):
        return value
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"[1-9]\d{0,8}", str(value), re.ASCII):
        raise ValueError
    return int(value)


def pace_of(value: object) -> str:
    text = _text(value)
    if text not in ("instant", "recorded") and (not _PACE.fullmatch(text) or not float(text[:-1])):
        raise ValueError
    return text


def token_of(value: object) -> SecretStr:
    text = value.get_secret_value() if isinstance(value, SecretStr) else _text(value)
    if not re.fullmatch(r"[!-~]{8,}", text):
        raise ValueError
    return SecretStr(text)


def faults_of(value: object) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError
    try:
        return tuple([str(fault) for text in texts if text != "none" for fault in parse_faults(text)])
    except ValueError as error:
        raise ValueError(f"faults such as 429 retry-after=2 at turn 3, with ; between them; {error}") from None


def assumed_of(value: object) -> str:
    return str(Assumptions.parse(_text(value)))


def paths_of(value: object) -> tuple[Path, ...]:
    return tuple(map(path_of, value)) if isinstance(value, list | tuple) else (path_of(value),)


def texts_of(value: object) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError
    return list(texts)


def match_rules_of(value: object) -> tuple[str, ...]:
    texts = texts_of(value)
    try:
        return ("none",) if texts == ["none"] else tuple(map(str, rules_of(texts)))
    except ValueError as error:
        raise ValueError(f"names of match rules such as codex,times, rules, or none; {error}") from None


def ignored_of(value: object) -> tuple[str, ...]:
    try:
        return tuple([place for text in texts_of(value) for place in places_of(text)])
    except ValueError as error:
        raise ValueError(f"paths such as $.metadata.run_id; {error}") from None


def key_names_of(value: object) -> tuple[str, ...]:
    texts = [f"{id_}={name}" for id_, name in value.items()] if isinstance(value, Mapping) else parts_of(value)
    found = dict(map(_key_name, texts))
    if len(found) < len(texts):
        raise ValueError
    return tuple([f"{id_}={name}" for id_, name in found.items()])


def _key_name(text: str) -> tuple[str, str]:
    match = _KEY_NAME.fullmatch(text)
    if match is None:
        raise ValueError
    return match[1], match[2]


def label_headers_of(value: object) -> tuple[str, ...]:
    names = [name.lower() for name in parts_of(value)]
    for name in names:
        if not _HEADER.fullmatch(name):
            raise ValueError
        if header_kind(name) is not None:
            raise ValueError(f"names of headers that hold no secret; {name} is never stored, so that nothing can be grouped by it")
    return tuple(dict.fromkeys(names))


def parts_of(value: object) -> list[str]:
    return [part.strip() for text in texts_of(value) if text != "none" for part in text.split(",")]


def budgets_of(value: object) -> tuple[str, ...]:
    texts = texts_of(value)
    found = () if texts == ["none"] else parse_budgets(texts)
    for budget in found:
        wide = [name for name, each in budget.groups if each == EACH and name != "key"]
        if wide:
            raise ValueError(f"budgets for all, for one of a group, or for each key: {budget} would make a metric for each {wide[0]}")
    return tuple(map(str, dict.fromkeys(found)))
