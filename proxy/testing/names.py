"""What a test's cassette and its session are called. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256

ENDING = ".jsonl"

_NOT_IN_FILES = re.compile(r'[<>:"/\\|?*%\x00-\x1f]+')  # on some system or other
_NOT_IN_SESSIONS = re.compile(r"[^A-Za-z0-9._]+")
_LONGEST_FILE = 120  # bytes, of 255 that a name may have
_LONGEST_SESSION = 120  # characters, of 128 that a name may have: a number may come behind it


def file_name(test: str) -> str:
    """The name of a test's cassette, the same on every system. `test`: `test_rain[Paris]` or `TestWeather.test_rain`.

    Two tests may have one name: `shared` finds them.
    """
    return _cut(_NOT_IN_FILES.sub("-", test).rstrip(". "), test, _LONGEST_FILE - len(ENDING)) + ENDING


def session_name(module: str, test: str) -> str:
    """The session of a test: MODULE.TEST in the characters that a session's name may have."""
    whole = f"{module}.{test}"
    return _cut(_NOT_IN_SESSIONS.sub("-", whole).strip("-"), whole, _LONGEST_SESSION)


def _cut(name: str, whole: str, longest: int) -> str:
    """The name, or as much of it as there is room for, with a hash of all."""
    encoded = name.encode()
    if len(encoded) <= longest:
        return name
    end = f"-{sha256(whole.encode('utf-8', 'backslashreplace')).hexdigest()[:8]}"
    return encoded[: longest - len(end)].decode("utf-8", "ignore") + end


def shared(tests: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Of tests and their cassettes those that would take another one's: by test, all that have the same. Upper and lower case are one, as on some disks."""
    users: dict[str, list[str]] = defaultdict(list)
    for test, cassette in tests:
        users[cassette.casefold()].append(test)
    return {test: found for found in users.values() if len(set(found)) > 1 for test in found}
