"""Labels by request headers: what they say is kept with an exchange, if settings name them, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import on, recorded, write
from journalled import Frames, http, opening
from journals import open_store, recording, writer
from journals import write as journal
from playhead.proxy.pricing.header_labels import label, labelled
from playhead.storage.costing.sums import Wanted
from playhead.storage.records import Facts, Raw
from playhead.storage.store import Store
from sockets import socket
from test_multiplex import answer, create, sent, told

HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: h\r\nX-Team: search\r\nx-key: Bearer <redacted:api-key>\r\nX-Env: a\r\nx-env: b\r\nx-none:\r\n\r\n"
TEAM = {"Host": "x", "Content-Type": "application/json", "X-Team": "search"}


def labels(*names: str, head: bytes = HEAD, facts: Facts | None = None) -> dict[str, Any] | None:
    one = recorded(1, facts=facts or Facts())
    label(one, head, names)
    return one.facts.billing


def test_a_header_is_a_label() -> None:
    assert labels("x-team") == {"labels": {"header:x-team": "search"}}


def test_what_is_known_beside_it_stays() -> None:
    facts = Facts(billing={"window": "2h", "labels": {"metadata.a": "b"}})

    assert labels("x-team", facts=facts) == {"window": "2h", "labels": {"metadata.a": "b", "header:x-team": "search"}}


def test_a_header_that_comes_twice_is_one_label() -> None:
    assert labels("x-env") == {"labels": {"header:x-env": "a, b"}}


@pytest.mark.parametrize("name", ["x-key", "x-none", "x-other"])
def test_what_stands_for_a_secret_and_what_says_nothing_is_none(name: str) -> None:
    assert labels(name) is None


def test_a_label_is_a_text_that_any_database_takes() -> None:
    found = labels("x-team", head=b"POST / HTTP/1.1\r\nX-Team: a\0\xff\xc3\xa4\r\n\r\n")

    assert found == {"labels": {"header:x-team": "a\ufffd\ufffdä"}}


def test_all_parts_of_an_exchange_have_it() -> None:
    parts = labelled([recorded(1), recorded(2)], HEAD, ("x-team",))

    assert [part.facts.billing for part in parts] == [{"labels": {"header:x-team": "search"}}] * 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "journal").mkdir()
    with open_store(tmp_path) as opened:
        yield opened


def stored(store: Store, directory: Path, frames: Frames) -> dict[Any, int]:
    """How many exchanges each team has, once that is recorded."""
    written = writer(directory)
    journal(written, 1, frames)
    written.close()
    with recording(store, directory, label_headers=("x-team",)) as recorder:
        while recorder.step():
            pass
    return {key[0]: one.requests for key, one in store.ledger.spending(Wanted(("header:x-team",))).found().sums.items()}


def test_a_request_is_recorded_with_it(store: Store, tmp_path: Path) -> None:
    frames = http(b"{}", [b"{}"])
    frames[0] = opening(headers=TEAM)

    assert stored(store, tmp_path / "journal", frames) == {"search": 1}


def test_the_turns_of_a_websocket_have_that_of_its_handshake(store: Store, tmp_path: Path) -> None:
    frames = socket(*sent(create()), *told(*answer("r1")), *sent(create()), *told(*answer("r2")))
    [(kind, at, payload), *rest] = frames
    first, _, head = payload.partition(b"\r\n")

    assert stored(store, tmp_path / "journal", [(kind, at, first + b"\r\nX-Team: search\r\n" + head), *rest]) == {"search": 2}


def test_recordings_of_before_get_it_by_being_parsed_again(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    raw = Raw(HEAD, b'{"model":"m","input":"hi"}', b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b'{"id":"resp_1"}')
    write(tmp_path / "data", recorded(1, raw=raw), recorded(2))
    playhead = on(tmp_path / "data", capfdbinary)
    before = playhead("audit", "--by", "Header:X-Team", "--json")
    playhead("reparse", "--all", "--label-header", "x-team")
    after = playhead("audit", "--by", "header:x-team", "--json")

    assert "no exchange has header:x-team: if requests had that header, name it in label_header" in before.err
    assert "no exchange has header:x-none" in playhead("audit", "--by", "header:x-none", "--html", "-").err
    assert {row["group"]["header:x-team"]: row["requests"] for row in after.rows} == {"search": 1, None: 1}
    assert after.err == ""


def test_nothing_can_be_grouped_by_a_header_that_holds_a_secret(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(tmp_path / "data", recorded(1))
    refused = on(tmp_path / "data", capfdbinary)("audit", "--by", "header:Authorization")

    assert refused.status == 2
    assert "this header holds a secret, which is never stored" in refused.err


def test_keys_are_called_as_settings_say(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    keys = ("k_0123456789abcdef", "k_00000000000000ff", "k_1111111111111111")
    write(tmp_path / "data", *(recorded(number, key_id=key) for number, key in enumerate(keys, 1)))
    names = ("--key-name", f"{keys[0]}=ci", "--key-name", f"{keys[1]}=ci")
    rows = on(tmp_path / "data", capfdbinary)("audit", "--by", "key", "--json", *names).rows

    assert {row["group"]["key"]: row["requests"] for row in rows} == {"ci": 2, keys[2]: 1}
