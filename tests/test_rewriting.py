"""What is recorded of a session, rewritten: all of it or nothing, and what is written against it still reads."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, insert, select

from aged import prune
from playhead.config.errors import StoreError
from playhead.config.rules import parse_rule
from playhead.proxy.redacting.redactor import Redactor
from playhead.proxy.redacting.rewriting import head, rewritten
from playhead.storage.costing.costs import Basis, Cost, LineRow, RateRow
from playhead.storage.engine import Database
from playhead.storage.packing.content import Change, Content, Rewritten
from playhead.storage.records import Batch, Facts, Frame, Piece, Raw, Recorded, Spill
from playhead.storage.rewriting import forget_words
from playhead.storage.store import Store
from playhead.storage.tables import event_types, item_words
from stores import raw, recorded
from test_ledger import cost, reprice

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


def test_what_is_recorded_meanwhile_still_reads(store: Store, url: str) -> None:
    store.write(Batch([holding(1)]))
    store.write(Batch([recorded(2)]))  # of which nothing is written against the first
    change, meanwhile = redacting(), list[Future[None]]()
    with Store.open(url) as other, ThreadPoolExecutor(1) as pool:

        def slowly(content: Content) -> Rewritten | None:
            if not meanwhile:
                meanwhile.append(pool.submit(store.write, Batch([holding(3)])))
                wait(meanwhile, timeout=0.5)
            return change.exchange(content)

        other.rewrite("default", change._replace(exchange=slowly))
        meanwhile[0].result(timeout=30)

    assert list(store.verify()) == []


@contextmanager
def entangled(url: str, held: str, wanted: str) -> Iterator[Callable[[], None]]:
    """Another transaction, once that is called first: it has locked rows of one table and waits for some of another one, longer than who waits for it."""
    engine, holds, waits = create_engine(url, poolclass=NullPool), threading.Event(), list[Future[None]]()

    def waiting() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL deadlock_timeout = '1min'")
            connection.exec_driver_sql(f"SELECT 1 FROM {held} FOR UPDATE")
            holds.set()
            connection.exec_driver_sql(f"SELECT 1 FROM {wanted} FOR UPDATE")

    def entangle() -> None:
        if not waits:
            waits.append(pool.submit(waiting))
            holds.wait(30)

    with ThreadPoolExecutor(1) as pool:
        yield entangle
        waits[0].result(timeout=30)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_it_is_made_again_where_a_recorder_waits_for_it_that_it_waits_for(store: Store, url: str) -> None:
    store.write(Batch([holding(1)]))
    change = redacting()
    with entangled(url, "exchanges", "bodies") as entangle:
        assert store.rewrite("default", change._replace(exchange=lambda content: (entangle(), change.exchange(content))[1]))[0] == 1

    assert SECRET not in requests(store)[0]
    assert list(store.check_chains().problems()) == []


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_so_are_words_taken_away(database: Database, url: str) -> None:
    with database.writing() as connection:
        connection.execute(insert(item_words).values(word="hunter2"))
        connection.execute(insert(event_types).values(type="hunter2.done"))
    with entangled(url, "event_types", "item_words") as entangle:

        def found(word: str) -> bool:
            if word.endswith(".done"):
                entangle()
            return "hunter2" in word

        forget_words(database, found)

    with database.reading() as connection:
        assert [*connection.execute(select(item_words.c.word)).scalars(), *connection.execute(select(event_types.c.type)).scalars()] == []


def test_a_note_that_names_the_model_without_a_price_is_rewritten(store: Store) -> None:
    unpriced = replace(cost(None, "unpriced", used=False), note="unpriced: no price table knows the model hunter2")
    store.write(Batch([holding(1, cost=unpriced)]))
    store.rewrite("default", redacting())

    assert [row.cost_note for row in store.exchanges("default")] == ["unpriced: no price table knows the model <redacted:p>"]
    assert list(store.check_chains().problems()) == []


def named(reason: str | None = None) -> Cost:
    """A price that names the model."""
    rate = RateRow("input", "ft:hunter2", "token", None, 1_000_000, "list@1", '[["tier","hunter2","known"]]', "no price for ft:hunter2")
    basis = Basis('[["provider","openai","known"],["model","ft:hunter2","known"]]', reason)
    return replace(cost(7, "partly"), basis=basis, lines=(*cost(7).lines, LineRow(rate, 3, None)), note="unpriced: ft:hunter2")


def in_words(store: Store) -> list[str]:
    """What the ledger says of each exchange."""
    ledger, ids = store.ledger, sorted([row.id for one in store.sessions() for row in store.exchanges(one.session)])
    return [json.dumps([ledger.about(id_), [line.model_dump() for line in ledger.lines(id_)], ledger.history(id_)], default=str) for id_ in ids]


def shared(store: Store) -> Iterator[str]:
    """All that costs refer to."""
    with store._database.reading() as connection:
        for table in ("price_bases", "price_rates"):
            yield from map(str, connection.exec_driver_sql(f"SELECT * FROM {table}"))


def test_the_ledger_does_not_tell_it_any_more_and_its_amounts_stay(store: Store) -> None:
    store.write(Batch([holding(1, cost=named("no price table knows ft:hunter2")), holding(2, cost=cost())]))
    before = in_words(store)
    store.rewrite("default", redacting())

    assert in_words(store) == [words.replace("hunter2", "<redacted:p>") for words in before]
    assert "hunter2" not in "".join(shared(store))
    assert [*store.verify(), *store.check_chains().problems()] == []


def test_what_prices_were_before_does_not_tell_it_any_more(store: Store) -> None:
    store.write(Batch([holding(1, cost=named())]))
    reprice(store, cost(9))
    assert "hunter2" in in_words(store)[0]
    store.rewrite("default", redacting())

    assert "unpriced: ft:<redacted:p>" in in_words(store)[0]
    assert "hunter2" not in "".join([*in_words(store), *shared(store)])
    assert list(store.check_chains().problems()) == []


def test_what_is_paid_for_is_not_called_so_any_more(store: Store) -> None:
    told = Facts(kind="responses", response_id="resp_hunter2", billing={"containers": ["cntr_hunter2"]})
    store.write(Batch([holding(1, facts=told, cost=cost(told=True))]))
    store.rewrite("default", redacting())

    with store._database.reading() as connection:
        paid = connection.exec_driver_sql("SELECT response_id FROM paid_responses ORDER BY 1").scalars().all()
    assert paid == ["container:cntr_<redacted:p>", "resp_<redacted:p>"]
    assert list(store.check_chains().problems()) == []


def test_the_ledger_tells_of_another_session_what_it_did(store: Store) -> None:
    store.write(Batch([holding(1, cost=named()), holding(2, cost=named(), session="other")]))
    before = in_words(store)
    store.rewrite("default", redacting())

    assert in_words(store) == [before[0].replace("hunter2", "<redacted:p>"), before[1]]
    store.rewrite("other", redacting())
    assert "hunter2" not in "".join([*in_words(store), *shared(store)])
    assert [*store.verify(), *store.check_chains().problems()] == []


@pytest.mark.parametrize("session", ["default", "other"])
def test_a_recorder_that_goes_on_refers_to_rows_that_are_there(store: Store, url: str, session: str) -> None:
    store.write(Batch([holding(1, cost=named()), holding(2, cost=named(), session=session)]))
    before = [row.amount for row in store.ledger.lines(1)]
    with Store.open(url) as command:
        command.rewrite("default", redacting())
    store.write(Batch([holding(3, cost=named())]))

    assert [row.amount for row in store.ledger.lines(3)] == before
    assert [*store.verify(), *store.check_chains().problems()] == []


def test_a_recorder_that_is_started_anew_tells_what_it_meets(store: Store, url: str) -> None:
    store.write(Batch([holding(1, cost=named())]))
    store.rewrite("default", redacting())
    with Store.open(url) as another:
        another.write(Batch([holding(2, cost=named(), writer="w2")]))

    assert ["hunter2" in words for words in in_words(store)] == [False, True]


def test_what_others_did_to_what_costs_refer_to_is_not_made_good_by_it(database: Database) -> None:
    with Store(database) as store:
        store.write(Batch([holding(1, cost=named())]))
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE price_rates SET price = '1' WHERE item = 'output'")
        store.rewrite("default", redacting())

        assert ["a row was changed in one of" in text for _, text in store.check_chains().problems()] == [True]


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


def test_an_exchange_whose_content_is_pruned_does_not_tell_it_any_more(store: Store) -> None:
    facts = Facts(kind="responses", model="ft:hunter2", response_id="resp_1", parse="parsed")
    store.write(Batch([holding(1, facts=facts, cost=named(), path="/v1/hunter2/responses")]))
    prune(store, at=100, content=10)
    before = [row.model_dump_json() for row in store.exchanges("default")]

    assert store.rewrite("default", redacting(), dry=True)[0] == store.rewrite("default", redacting())[0] == 1
    assert [row.model_dump_json() for row in store.exchanges("default")] == [told.replace("hunter2", "<redacted:p>") for told in before]
    assert store.rewrite("default", redacting(), dry=True)[0] == 0
    assert [*store.verify(), *store.check_chains().problems()] == []


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
