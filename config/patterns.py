"""Named patterns of volatile values: texts that differ from run to run or from machine to machine though the program is the same. Pure data.

What a pattern finds is replaced by `<NAME>`; or, of what tells one thing from another (ids, directories), by `<NAME:1>`, `<NAME:2>`, ... in the order of
first appearance, so that two that changed places are still different. Times are not numbered: whether two of them are equal is chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

VERSION = 1
"""Of the patterns: a change of what any of them finds must raise it, since fingerprints that were made with them are kept."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """`regex`: what it finds is the last named group that took part, or all of the match; it is compiled where it is needed, since that takes milliseconds.
    `starts`: it is tried only where this finds something; the quicker way to nothing. `hints`: one of these stands in every text in which it finds
    something; none: that is not known.

    `numbered`: it tells things from one another. `numbers`: JSON numbers of which all digits match count, too; `any_number`: where a rule names the place,
    every number there does.
    """

    name: str
    regex: str
    about: str
    hints: tuple[str, ...] = ()
    numbered: bool = False
    starts: str = ""
    numbers: str = ""
    any_number: bool = False


_START, _END = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"
_MONTH = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
_DAY = r"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:\s?[AaPp]\.?[Mm]\b\.?)?"
_ZONE = r"(?:\s?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)(?![0-9A-Za-z:]))?"
_YMD = r"(?:19|20)\d\d(?:-[01]\d-[0-3]\d|/[01]\d/[0-3]\d)"
_WORDS = rf"(?:{_DAY},?\s)?(?:{_MONTH}\.?\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}|\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTH}\.?,?\s\d{{4}})"
_EPOCH = r"1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9})?"
_UNIT = r"(?:ns|[µu]s|ms|s|secs?|seconds?|milliseconds?|minutes?|mins?|hours?|h)"
_LONG = r"[0-9A-Za-z]"
_PART = r"[^/\\\s\"'<>|:;,)\]}`]+"  # of a path
_WIN = r"(?:[A-Za-z]:)\\+"

_ALL = (
    Pattern(
        "tempdir",
        (
            rf"(?<![\w.~-])(?:(?:/private)?(?:/tmp|/var/tmp|/var/folders/{_PART}/{_PART}/T)(?![\w~-])"
            rf"(?:/pytest-of-{_PART}/pytest-(?:\d+|current)(?:/popen-gw\d+)?|/(?:(?!\.[A-Za-z0-9]{{1,5}}(?![\w.-])){_PART[:-1]})+(?=[/\\\s\"'<>|:;,)\]}}`]|\.[A-Za-z0-9]{{1,5}}(?![\w.-])|$))?"
            rf"|{_WIN}(?:Users\\+{_PART}\\+AppData\\+Local\\+|Windows\\+)?Temp(?:\\+{_PART})?|%TEMP%(?:\\+{_PART})?)"
        ),
        "directories for temporary files, with what is first in them, of macOS, Windows and pytest's tmp_path, too",
        ("/tmp", "/var/", "Temp", "%TEMP%"),
        numbered=True,
    ),
    Pattern(
        "cwd",
        (
            rf"<cwd>(?P<v>[^<]+)</cwd>|(?<![\w.~-])(?P<w>/home/runner/work/{_PART}/{_PART}|/builds/{_PART}/{_PART}|/github/workspace|/workspaces?/{_PART}"
            rf"|{_WIN}a\\+{_PART}\\+{_PART})"
            rf"|(?i:\b(?:cwd|workdir|(?:current|working) (?:working )?dir(?:ectory)?|pwd)\b[\"'\\]*\s*(?:[:=]|is)\s*[\"'\\`]*)"
            rf"(?P<x>(?:/|{_WIN})[^\s\"'<>|;,)\]}}`]*[^\s\"'<>|;,)\]}}`.\\])"
        ),
        "the working directory, where a text names it (<cwd>...</cwd>, cwd: ..., Working directory: ...), and those of CI services",
        ("wd", "WD", "workdir", "WORKDIR", "irectory", "IRECTORY", " dir", "/builds/", "/github/", "/workspace", "/home/runner/", ":\\a\\"),
    ),
    Pattern(
        "home",
        rf"(?<![\w.~-])(?:(?:/export)?/home/{_PART}|/Users/{_PART}|/root(?![\w.-])|{_WIN}Users\\+{_PART})",
        "home directories: /home/NAME, /Users/NAME, /root, C:\\Users\\NAME",
        ("/home/", "/Users/", "/root", "Users\\"),
    ),
    Pattern(
        "uuid",
        rf"{_START}[0-9a-fA-F]{{8}}-[0-9a-fA-F]{{4}}-[0-9a-fA-F]{{4}}-[0-9a-fA-F]{{4}}-[0-9a-fA-F]{{12}}{_END}",
        "UUIDs",
        ("-",),
        numbered=True,
    ),
    Pattern(
        "id",
        rf"[_-](?<=[0-9A-Za-z].)(?P<v>(?<=call_){_LONG}{{24}}|(?=[A-Za-z]*\d){_LONG}{{16,}}){_END}",
        "generated ids: 16 letters and digits or more behind a prefix that stays (call_..., resp_..., msg_..., toolu_..., chatcmpl-...)",
        ("_", "-"),
        numbered=True,
    ),
    Pattern(
        "hex",
        r"(?<![0-9A-Za-z])(?:0x[0-9a-fA-F]{4,}|(?=[0-9]*[a-fA-F])(?=[a-fA-F]*[0-9])[0-9a-fA-F]{8,})(?![0-9A-Za-z])",
        "8 hexadecimal digits or more, letters and digits among them; addresses with 0x",
        numbered=True,
    ),
    Pattern(
        "timestamp",
        (
            rf"(?:{_YMD}(?:[T ]|,? at |, )\s?{_CLOCK}{_ZONE}|{_WORDS}(?:,? at |,? ){_CLOCK}{_ZONE}"
            rf"|{_DAY}\s{_MONTH}\s{{1,2}}\d{{1,2}}\s{_CLOCK}(?:\s[A-Z]{{3,4}})?\s\d{{4}}|\d{{1,2}}/\d{{1,2}}/\d{{4}},?\s{_CLOCK}"
            rf"|(?:19|20)\d{{6}}[T_-]?\d{{6}}Z?|{_YMD}[_-]\d\d[-_h.:]?\d\d(?:[-_m.:]?\d\d)?"
            rf"|\d{{1,2}}:\d\d(?::\d\d(?:[.,]\d{{1,9}})?)?\s?[AaPp]\.?[Mm]\b\.?|\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?{_ZONE}|{_EPOCH}(?:\.\d{{1,9}})?)(?![\w:]|-\d)"
        ),
        "points in time: ISO 8601, as mails and logs and people write them, times of day, seconds (ms, us, ns) since 1970 from 2017 on",
        starts=r"[0-9MTWFSJADNO](?<![0-9A-Za-z.:].)(?=\d{3}[-/][01]|\d?:\d|\d{7}|\d?/\d|\d?(?:st|nd|rd|th)?\s[A-Z]|[a-z]{2})",
        numbers=_EPOCH,
        any_number=True,
    ),
    Pattern(
        "date",
        rf"(?:(?:{_DAY},?\s)?{_YMD}|{_WORDS}|\d{{1,2}}/\d{{1,2}}/\d{{4}}|\d{{1,2}}\.\d{{1,2}}\.\d{{4}})(?![\w/]|-\w)",
        "days: 2026-01-31, January 31, 2026, 31 Jan 2026, 1/31/2026; not inside names of models",
        starts=r"[0-9MTWFSJADNO](?<![\w.:/-].)(?=\d{3}[-/][01]|\d?/\d|\d?\.\d{1,2}\.|\d?(?:st|nd|rd|th)?\s[A-Z]|[a-z]{2})",
    ),
    Pattern(
        "duration",
        (
            rf"(?:(?:\d+\s?m(?:in)?\s?)?\d+\.\d+\s?{_UNIT}|\d+\s?(?:ns|[µu]s|ms|milliseconds?)|\d+m\s?\d+s|\d+:\d\d:\d\d\.\d{{3,6}}"
            rf"|(?<=took )\d+(?:\.\d+)?\s?{_UNIT}|(?<=elapsed: )\d+(?:\.\d+)?(?:\s?{_UNIT})?|(?<=Wall time: )\d+(?:\.\d+)?(?:\s?{_UNIT})?)(?!\w)"
        ),
        "how long something took: 0.11 seconds, 12ms, 1m 3s, took 3; whole seconds, minutes and hours only where it says so",
        starts=r"[0-9](?<![\w.:-].)(?:(?=[\d.]*\s?[nµumsh]|\d*:\d)|(?<=elapsed: .)|(?<=Wall time: .))",
        any_number=True,
    ),
    Pattern(
        "port",
        r"(?:(?<![\w.])(?:127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1?\]):|\b(?i:port)\b[\"'\\]*\s?(?:[:=#]\s?)?)(?P<v>\d{2,5})(?!\w)",
        "ports of this machine: localhost:49152, 127.0.0.1:49152, port 49152",
        any_number=True,
    ),
    Pattern(
        "boundary",
        r"(?:\bboundary=\\?\"?(?P<v>[^\s\";,\\]{4,})|(?:^|(?<=\n))--+(?P<w>[0-9A-Za-z'()+_,./:=?]{12,}?)(?:--)?(?=\r?$|\r?\n))",
        "random boundaries of multipart texts",
        ("boundary=", "--"),
        numbered=True,
    ),
    Pattern(
        "chunk",
        r"\bChunk ID: (?P<v>[0-9a-f]+)\b|\brunning with session ID (?P<w>\d+)\b",
        "chunk and session ids in front of what Codex's tools print",
        ("Chunk ID: ", "session ID "),
    ),
)

PATTERNS: Mapping[str, Pattern] = MappingProxyType({pattern.name: pattern for pattern in _ALL})
"""By name, in the order in which they are looked for: what one has replaced no later one finds."""
