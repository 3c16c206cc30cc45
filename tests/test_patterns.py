"""Each named pattern finds what is volatile, and nothing beside it. Written with «» around what is to be found."""

from __future__ import annotations

import re

import pytest

from playhead.config.patterns import PATTERNS
from playhead.config.rules import Rule
from playhead.proxy.fingerprinting.finders import Numbering, finder_of

FOUND = {
    "uuid": ["id «76f8b89e-4a41-46fb-86ae-546cc1e4ba6c».", "run_«76F8B89E-4a41-46fb-86ae-546cc1e4ba6c»", "76f8b89e-4a41-46fb-86ae-546cc1e4ba6cd", "a-b-c"],
    "id": [
        "call_«mhr5WBWG8kgyIy15JTItue8Q»",
        "call_«abcdefghijABCDEFGHIJklmn»",
        "fc_«67dc6c1a427481919d5502a93a9a034f05ba05d1f4d5a21e»",
        "toolu_«01BSgre5nzVkzeu74htYGhf9»",
        "chatcmpl-tool-«592bcd4c265c48e3a93a244f28627ca3»",
        "pyd_ai_«592bcd4c265c48e3a93a244f28627ca3», trace_«592bcd4c265c48e3a93a244f28627ca3»",
        "file-«CmKZQn5qLRRgcAjS61GSqv»",
        "get_weather_forecast, some_veryLongIdentifierName, gpt-4o-mini-2024-07-18, call_1",
    ],
    "hex": [
        "run-«1f4c9a2b» x",
        "<A object at «0x7f1234567890»>",
        "sha «d41d8cd98f00b204e9800998ecf8427e»",
        "20250514, abcdefab, #ff00aa, 1f4c9a2, 1f4c9a2bz",
    ],
    "timestamp": [
        "«2026-01-31T12:00:01Z» x",
        "at «2026-01-31 12:00:01.123456+00:00», «2026-01-31 12:00»",
        "Date: «Sat, 31 Jan 2026 12:00:01 GMT»",
        "«Sat Jan 31 12:00:01 UTC 2026»",
        "«January 31, 2026 at 3:04 PM»",
        "«1/31/2026, 3:04:05 PM»",
        "«1769860801» «1769860801123» «1769860801.52»",
        "[«12:34:56.789»] «3:04 PM»",
        "log_«20260131-120001».txt, run-«20260131T120001Z», «2026-01-31_12-00-01»",
        "gpt-4o-mini-2024-07-18, 2026-01-31, John 3:16, 0:30, 1234567890, 1769860801a, a1769860801",
    ],
    "date": [
        "Today is «2026-01-31».",
        "«Tuesday, January 31, 2026» or «31 Jan 2026» or «Sep. 1st, 2026»",
        "«1/31/2026», «31.01.2026», «2026/01/31», «Sat 2026-01-31»",
        "gpt-4o-2024-07-18, 2026-01-31-x, v1.1.2026.3, May 5",
    ],
    "duration": [
        "Wall time: «0.1107 seconds»",
        "took «3s», «12ms», «1.5 h», «1m 3s», in «0.03s», «0:00:01.234567»",
        "elapsed: «3», Wall time: «2»",
        "wait 5 minutes, 10 seconds, v1.5, took 12 apples, 1.5sx",
    ],
    "tempdir": [
        "«/tmp/tmpabc123»/x.txt",
        "see «/tmp».",
        "«/tmp/pytest-of-al/pytest-12/popen-gw0»/test_x0/a",
        "«/tmp/pytest-of-al/pytest-current»/test_x0",
        "«/var/folders/zz/abc/T/tmpq»/x and «/private/tmp/a»",
        r"«C:\Users\x\AppData\Local\Temp\tmp1»\f, «%TEMP%\x»",
        'file://«/tmp/tmpx12»/f, "«/tmp/tmpabc».txt", «/tmp/tmp.AbCdEfGhIj»/q',
        "/home/x/tmp/a, /tmpfoo, /opt/tmp, /var/log",
    ],
    "cwd": [
        "<cwd>«/home/a/p»</cwd>",
        'cwd: «/home/a/p», {"cwd": "«/x/y»"}, {\\"workdir\\":\\"«/x»\\"}',
        "Working directory: «/srv/app». pwd is «/a/b».",
        r"cwd=«C:\a\b»",
        "«/builds/g/p»/x.py, «/home/runner/work/r/r»/a.py, «/github/workspace»/b, «/workspaces/p»/c",
        "/home/a/p, cwd: x",
    ],
    "home": ["«/home/al»/p, «/Users/al», «/root»/x", r"«C:\Users\al»\x", "/rooted, https://x.com/home/page, /x/home/y"],
    "port": [
        "http://127.0.0.1:«49152»/v1, localhost:«80», [::1]:«8080»",
        'port «4915», Port: «80», {"port": «8080»}',
        "export 12, report 1234, example.com:443",
    ],
    "boundary": [
        "multipart/form-data; boundary=«abc123def456»",
        "--«57576cb8e1e5d729140d328c23c60a0c»\r\nx",
        "x\n------«WebKitFormBoundaryABCDEFGH12345678»--\r\n",
        "a -- b, --------------------, -- and then some more words",
    ],
    "chunk": ["Chunk ID: «a1b2c3»\nWall time: 0.1 seconds", "Process running with session ID «4071»", "Chunk 3, session ID"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in FOUND.items() for text in texts])
def test_a_pattern_finds_what_is_volatile_and_no_more(name: str, text: str) -> None:
    numbered = PATTERNS[name].numbered
    found = finder_of(Rule("normalize", name)).text(re.sub("[«»]", "", text), Numbering())
    assert re.sub(rf"<{name}:\d+>", f"<{name}>", found) == re.sub("«[^»]*»", f"<{name}>", text)
    assert (f"<{name}:1>" in found) == (numbered and "«" in text)


def test_every_pattern_is_tried() -> None:
    assert set(FOUND) == set(PATTERNS)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_explained(name: str) -> None:
    assert PATTERNS[name].about


@pytest.mark.parametrize("name", PATTERNS)
def test_nothing_is_found_in_what_a_pattern_has_put(name: str) -> None:
    put = " ".join([f"<{pattern.name}:1> <{pattern.name}>" for pattern in PATTERNS.values()])
    assert finder_of(Rule("normalize", name)).text(put, Numbering()) == put
