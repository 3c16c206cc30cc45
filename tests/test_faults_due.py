"""Which faults a request meets, and how often."""

from __future__ import annotations

from playhead.config.faults import parse_faults
from playhead.proxy.faults.due import Faults
from playhead.storage.records import FaultRecord


def texts(faults: Faults, exchange: int, turn: int | None = 1, asked: str = "", session: str = "a") -> list[str]:
    return [*map(str, faults.due(session, parse_faults(asked) if asked else (), exchange, turn))]


def test_each_exchange_meets_a_fault_once() -> None:
    faults = Faults(parse_faults("429"))

    assert (texts(faults, 7), texts(faults, 8)) == (["429"], ["429"])
    faults.met("a", parse_faults("429")[0], 7)
    assert (texts(faults, 7), texts(faults, 8), texts(faults, 7, session="b")) == ([], ["429"], ["429"])


def test_or_as_often_as_its_text_says() -> None:
    twice, always = parse_faults("429 times 2; cut always")
    faults = Faults((twice, always))
    for _ in range(2):
        faults.met("a", twice, 7)
        faults.met("a", always, 7)

    assert texts(faults, 7) == ["cut always"]


def test_what_is_served_once_is_over_for_all() -> None:
    [once] = parse_faults("429 once")
    faults = Faults((once,))
    faults.met("a", once, 7)

    assert texts(faults, 8) == []


def test_only_its_turns_meet_it() -> None:
    faults = Faults(parse_faults("429 at turn 2; cut every 3rd; latency 1s"))

    assert [texts(faults, 9, turn) for turn in (1, 2, 3, None)] == [
        ["latency 1s"],
        ["429 at turn 2", "latency 1s"],
        ["cut every 3rd", "latency 1s"],
        ["latency 1s"],
    ]


def test_a_request_may_ask_for_one_itself_and_meets_equal_ones_once() -> None:
    faults = Faults(parse_faults("429"))

    assert texts(faults, 7, asked="429; cut") == ["429", "cut"]
    assert (Faults().any(), Faults().any(parse_faults("cut")), faults.any()) == (False, True, True)


def test_one_may_be_added_for_one_session_and_taken_away() -> None:
    faults = Faults()
    faults.add(parse_faults("429"), "a")
    faults.add(parse_faults("cut"))

    assert (texts(faults, 7), texts(faults, 7, session="b")) == (["429", "cut"], ["cut"])
    faults.clear("a")
    assert texts(faults, 7) == ["cut"]
    faults.clear()
    assert not faults.any()


def test_a_handshake_meets_what_is_for_handshakes_and_nothing_else_does() -> None:
    faults = Faults(parse_faults("401 at handshake; cut"))

    assert ([*map(str, faults.at_handshake("a", (), 0))], texts(faults, 7)) == (["401 at handshake"], ["cut"])
    faults.met("a", parse_faults("401 at handshake")[0], -1)
    assert (faults.at_handshake("a", (), 0), len(faults.at_handshake("a", (), 1))) == ([], 1)


def test_with_a_new_pass_all_is_met_anew() -> None:
    faults = Faults(parse_faults("429; cut once"))
    for fault in parse_faults("429; cut once"):
        faults.met("a", fault, 7)

    faults.rewind("a")

    assert texts(faults, 7) == ["429", "cut once"]


def test_what_is_served_once_is_due_for_one_of_several_that_come_together() -> None:
    faults = Faults(parse_faults("429 once"))

    assert (texts(faults, 7), texts(faults, 8), texts(faults, 7), texts(faults, 8, session="b")) == (["429 once"], [], ["429 once"], ["429 once"])


def test_and_for_another_one_if_that_has_ended_without_it() -> None:
    faults = Faults(parse_faults("cut after 9 event once"))
    texts(faults, 7)
    faults.ended("a", 7)

    assert (texts(faults, 8), texts(faults, 7)) == (["cut after 9 event once"], [])


def test_of_those_that_were_met_the_newest_are_known() -> None:
    faults = Faults(most=2)
    records = [FaultRecord.model_construct(fault=str(number), outcome=None) for number in range(3)]
    for number, record in enumerate(records):
        faults.keep(number, record)
    faults.keep(1, records[1].model_copy(update={"outcome": {"next": "retried"}}))

    assert [(one.fault, one.outcome) for one in faults.served] == [("1", {"next": "retried"}), ("2", None)]
    assert faults.kept(0) is None
