"""What is recorded of a session, rewritten: all of it or nothing, and what is written against it still reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from playhead.config.errors import StoreError
from playhead.config.rules import parse_rule
from playhead.proxy.redacting.redactor import Redactor
from playhead.proxy.redacting.rewriting import head, rewritten
from playhead.storage.packing.content import Change, Content, Rewritten
from playhead.storage.records import Batch, Frame, Piece, Raw, Recorded, Spill
from playhead.storage.store import Store
from stores import raw, recorded
from test_ledger import cost

SECRET = b"hunter2"


def redacting(pattern: str = "hunter2") -> Change:
    redactor = Redactor((parse_rule(f"redact /{pattern}/ as p"),))
    return Change(lambda content: rewritten(content, redactor), lambda data: head(data, redactor), redactor.plain, redactor.value)


def holding(number: int, text: bytes = SECRET, **changes: Any) -> Recorded:
    """An exchange whose request and answer hold a text, beside much that it has in common with others."""
    common = b"".join(b"line %d of what all of them say. " % line for line in range(200))
    stored = replace(raw(number), request=b'{"input": "%b %b %d"}' % (common, text, number), response=b"%b is what you said" % text, frames=(), chunks=())
    return recorded(number, **{"raw": stored, **changes})


def requests(store: Store, session: str = "default") -> list[bytes]:
    return [store.raw(row.id).request for row in store.exchanges(session)]


def test_nothing_of_it_is_left_and_all_reads(store: Store) -> None:
    store.write(Batch([holding(number, SECRET if number != 3 else b"harmless") for number in range(1, 9)]))

    assert store.rewrite("default", redacting(), dry=True)[0] == 7
    assert SECRET in requests(store)[0]
    assert store.rewrite("default", redacting())[0] == 7
    assert [SECRET in one for one in requests(store)] == [False] * 8
    assert store.rewrite("default", redacting(), dry=True)[0] == 0
    assert list(store.verify()) == []


def test_a_note_that_names_the_model_without_a_price_is_rewritten(store: Store) -> None:
    unpriced = replace(cost(None, "unpriced", used=False), note="unpriced: no price table knows the model hunter2")
    store.write(Batch([holding(1, cost=unpriced)]))
    store.rewrite("default", redacting())

    assert [row.cost_note for row in store.exchanges("default")] == ["unpriced: no price table knows the model <redacted:p>"]
    assert list(store.check_chains().problems()) == []


def test_what_another_session_has_stays_as_it_was(store: Store) -> None:
    store.write(Batch([holding(1), holding(2, session="other")]))
    store.rewrite("default", redacting())

    assert SECRET in requests(store, "other")[0]


def test_what_is_recorded_afterwards_is_not_written_against_what_was_there_before(store: Store) -> None:
    store.write(Batch([holding(1)]))
    store.rewrite("default", redacting())
    store.write(Batch([holding(2), holding(3)]))

    assert [SECRET in one for one in requests(store)] == [False, True, True]
    assert list(store.verify()) == []


def test_a_big_exchange_is_rewritten_across_its_pieces(store: Store) -> None:
    whole = [b"0" * 1000 + b"hun", b"ter2" + b"1" * 1000, b"hunter2", b"end"]
    base = recorded(1, raw=Raw(b"POST / HTTP/1.1\r\n\r\n", b"start ", b"HTTP/1.1 200 OK\r\n\r\n", b"begin "), outcome="complete")
    pieces = [Piece(part, seq, data) for part in ("request", "response") for seq, data in enumerate(whole)]
    store.write(Batch(spills=[Spill(base, pieces, [], (Frame(1, 5, 1010), Frame(1, 6, 1013)), (1010, 1013), final=True)]))
    id_ = next(store.exchanges("default")).id
    store.rewrite("default", redacting())
    told = b"0" * 1000 + b"<redacted:p>" + b"1" * 1000 + b"<redacted:p>end"

    assert (b"".join(store.request_chunks(id_)), b"".join(store.response_chunks(id_))) == (b"start " + told, b"begin " + told)
    streamed = store.stream(id_)
    assert (sum(streamed.chunks), sum([frame.length for frame in streamed.frames])) == (len(b"begin " + told), len(b"begin " + told))
    assert list(store.verify()) == []


def test_what_still_goes_on_is_not_rewritten(store: Store) -> None:
    store.write(Batch([holding(1)], spills=[Spill(recorded(2, outcome=None), [Piece("request", 0, SECRET)], [], (), (), final=False)]))

    with pytest.raises(StoreError, match="Exchange 2 of session default still goes on"):
        store.rewrite("default", redacting())
    assert SECRET in requests(store)[0]


def test_what_fails_has_changed_nothing(store: Store) -> None:
    store.write(Batch([holding(1), holding(2)]))
    change = redacting()

    def failing(content: Content) -> Rewritten | None:
        if content.exchange == 1:
            raise StoreError("Its answer cannot be looked through.")
        return change.exchange(content)

    with pytest.raises(StoreError, match=r"Exchange 1 of session default cannot be rewritten, so nothing was\. Its answer"):
        store.rewrite("default", change._replace(exchange=failing))
    assert [SECRET in one for one in requests(store)] == [True, True]


def test_a_session_that_is_not_there_is_told(store: Store) -> None:
    with pytest.raises(StoreError, match="There is no session 'nothing'"):
        store.rewrite("nothing", redacting())
