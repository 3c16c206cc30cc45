"""Whom recordings are replayed to."""

from __future__ import annotations

import pytest

from playhead.proxy.forwarding.admission import Admission
from playhead.proxy.forwarding.answers import Refusal

LOCAL = Admission("127.0.0.1", True, None)
REMOTE = Admission("0.0.0.0", False, b"let-me-in")


def code(answer: Refusal | bool) -> str | bool:
    return answer.code if isinstance(answer, Refusal) else answer


@pytest.mark.parametrize("host", [b"localhost", b"LOCALHOST:8080", b"127.0.0.1:80", b"127.1.2.3", b"[::1]:8080", b"[::1]", b"demo.localhost:1"])
def test_this_machine_may_call_itself_by_any_of_its_names(host: bytes) -> None:
    assert LOCAL.judge(host, []) is False


@pytest.mark.parametrize("host", [b"evil.example", b"localhost.evil.example", b"10.0.0.1:8080", b"127.0.0.1.evil.example", b"[2001:db8::1]", b"1"])
def test_a_name_that_a_page_of_another_site_could_choose_is_refused(host: bytes) -> None:
    refused = LOCAL.judge(host, [])

    assert isinstance(refused, Refusal)
    assert refused.code == "bad_target"
    assert host.decode() in refused.message


def test_the_name_that_it_is_bound_to_is_one_of_them() -> None:
    assert Admission("Box.local", True, None).judge(b"box.LOCAL:80", []) is False


def test_where_others_can_reach_it_any_name_will_do_with_the_token() -> None:
    assert REMOTE.judge(b"replay.example", [(b"playhead-token", b"let-me-in")]) is False


@pytest.mark.parametrize("header", [(b"authorization", b"Bearer let-me-in"), (b"authorization", b"bearer  let-me-in"), (b"x-api-key", b"let-me-in")])
def test_a_client_may_give_the_token_as_its_key(header: tuple[bytes, bytes]) -> None:
    assert REMOTE.judge(b"x", [header]) is True


def test_the_token_in_its_own_header_leaves_the_key_to_upstream() -> None:
    assert REMOTE.judge(b"x", [(b"authorization", b"Bearer other"), (b"playhead-token", b"let-me-in")]) is False


@pytest.mark.parametrize("turn", [1, -1])
def test_a_token_that_stands_in_both_places_is_no_key_for_upstream(turn: int) -> None:
    assert REMOTE.judge(b"x", [(b"authorization", b"Bearer let-me-in"), (b"playhead-token", b"let-me-in")][::turn]) is True


@pytest.mark.parametrize(
    "headers", [[], [(b"authorization", b"Bearer other")], [(b"playhead-token", b"let-me-i")], [(b"x-other", b"let-me-in")], [(b"api-key", b"")]]
)
def test_without_the_token_nobody_is_let_in(headers: list[tuple[bytes, bytes]]) -> None:
    assert code(REMOTE.judge(b"x", headers)) == "bad_token"


def test_a_token_is_asked_for_on_this_machine_too_if_there_is_one() -> None:
    assert code(Admission("127.0.0.1", True, b"let-me-in").judge(b"localhost", [])) == "bad_token"
