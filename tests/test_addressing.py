"""Which session, mode and target a request has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.forwarding.addressing import NO_KEY, Address, Addressing, Refusal
from playhead.proxy.forwarding.admission import Admission

HOST = (b"Host", b"127.0.0.1:8080")
OWN = frozenset((b"127.0.0.1:8080",))


def resolved(target: bytes, *headers: tuple[bytes, bytes], method: str = "GET", base: bytes = b"", host: tuple[bytes, bytes] = HOST) -> Address | Refusal:
    addressing = Addressing("main", "record", ("record", "forward"), base)
    return addressing.resolve(method, target, [host, *headers], OWN)


def code(answer: Address | Refusal) -> str | None:
    return answer.code if isinstance(answer, Refusal) else None


@pytest.mark.parametrize("target", [b"/v1/responses", b"/", b"/v1?", b"//a//b", b"/a%2Fb?x[]=1&x[]=2", b"/v1/@x", b"/v1?/@x/", b"/~@x"])
def test_a_plain_target_stays_as_it_is(target: bytes) -> None:
    assert resolved(target) == Address("main", "record", target)


@pytest.mark.parametrize(
    ("target", "session", "rest"),
    [
        (b"/@a/v1/x", "a", b"/v1/x"),
        (b"/@A.b_c:d-9/v1//x?", "A.b_c:d-9", b"/v1//x?"),
        (b"/@a", "a", b"/"),
        (b"/@a/", "a", b"/"),
        (b"/@a?b=/c", "a", b"/?b=/c"),
        (b"/@a/@b/x", "a", b"/@b/x"),
        (b"/@" + b"n" * 128 + b"/x", "n" * 128, b"/x"),
    ],
)
def test_a_prefix_names_the_session_and_goes_no_further(target: bytes, session: str, rest: bytes) -> None:
    assert resolved(target) == Address(session, "record", rest)


def test_the_header_wins_over_the_prefix() -> None:
    assert resolved(b"/@a/x", (b"playhead-SESSION", b"b")) == Address("b", "record", b"/x")


@pytest.mark.parametrize("name", [b"", b"a b", b"a%20b", b"\xe9", b"a\n", b"n" * 129, b"a*"])
def test_a_bad_name_is_refused(name: bytes) -> None:
    assert code(resolved(b"/@" + name + b"/x")) == "bad_session_name"
    assert code(resolved(b"/x", (b"Playhead-Session", name))) == "bad_session_name"


@pytest.mark.parametrize(("asked", "mode"), [(b"record", "record"), (b"Forward", "forward"), (b" forward ", "forward")])
def test_a_mode_may_be_asked_for(asked: bytes, mode: str) -> None:
    assert resolved(b"/x", (b"Playhead-Mode", asked)) == Address("main", mode, b"/x")


@pytest.mark.parametrize("asked", [b"replay", b"auto", b"", b"\xe9", b"record, forward"])
def test_a_mode_that_the_server_does_not_take_is_refused(asked: bytes) -> None:
    refused = resolved(b"/x", (b"Playhead-Mode", asked))

    assert isinstance(refused, Refusal)
    assert (refused.code, "record, forward" in refused.message) == ("mode_not_allowed", True)


AUTO = ("record", "replay", "auto", "forward")


def replaying(on_miss: str, modes: tuple[str, ...], *headers: tuple[bytes, bytes], admission: Admission | None = None) -> Address | Refusal:
    addressing = Addressing("main", "replay", modes, b"", on_miss, admission=admission, guarded=True)
    return addressing.resolve("GET", b"/x", [HOST, *headers], OWN)


@pytest.mark.parametrize("on_miss", ["fail", "forward", "record"])
def test_a_replay_does_with_a_miss_what_the_server_was_told(on_miss: str) -> None:
    assert replaying(on_miss, AUTO) == Address("main", "replay", b"/x", on_miss)


@pytest.mark.parametrize(
    ("asked", "mode", "on_miss"), [(b"replay", "replay", "fail"), (b"auto", "replay", "record"), (b"record", "record", "fail"), (b"forward", "forward", "fail")]
)
def test_a_mode_that_is_asked_for_says_what_becomes_of_a_miss(asked: bytes, mode: str, on_miss: str) -> None:
    assert replaying("record", AUTO, (b"Playhead-Mode", asked)) == Address("main", mode, b"/x", on_miss)


@pytest.mark.parametrize("asked", [b"record", b"auto", b"forward"])
def test_no_header_takes_a_replay_to_the_network(asked: bytes) -> None:
    assert code(replaying("fail", ("replay",), (b"Playhead-Mode", asked))) == "mode_not_allowed"


def test_a_refused_mode_says_why() -> None:
    refused = Addressing("main", "record", ("record",), b"", why="; it is full").resolve("GET", b"/x", [HOST, (b"Playhead-Mode", b"replay")], OWN)

    assert refused == Refusal("mode_not_allowed", "This server runs in mode record and takes Playhead-Mode: record; it is full.")


def test_a_server_that_replays_and_records_is_called_auto() -> None:
    refused = replaying("record", AUTO, (b"Playhead-Mode", b"reply"))

    assert isinstance(refused, Refusal)
    assert refused.message.startswith("This server runs in mode auto and takes ")


GUARD = Admission("0.0.0.0", False, b"let-me-in")


def test_a_replay_lets_in_who_has_the_token() -> None:
    assert code(replaying("fail", ("replay",), admission=GUARD)) == "bad_token"
    assert replaying("fail", ("replay",), (b"playhead-token", b"let-me-in"), admission=GUARD) == Address("main", "replay", b"/x")
    assert replaying("fail", ("replay",), (b"authorization", b"Bearer let-me-in"), admission=GUARD) == Address("main", "replay", b"/x", keyless=True)


def test_the_token_does_not_go_to_upstream_as_a_key() -> None:
    forward = (b"playhead-mode", b"forward")

    assert replaying("forward", AUTO, forward, (b"x-api-key", b"let-me-in"), admission=GUARD) == NO_KEY
    assert replaying("forward", AUTO, forward, (b"playhead-token", b"let-me-in"), admission=GUARD) == Address("main", "forward", b"/x")


def test_a_server_that_records_asks_only_those_for_the_token_who_replay() -> None:
    addressing = Addressing("main", "record", AUTO, b"", admission=GUARD)

    assert addressing.resolve("GET", b"/x", [HOST], OWN) == Address("main", "record", b"/x")
    assert code(addressing.resolve("GET", b"/x", [HOST, (b"playhead-mode", b"auto")], OWN)) == "bad_token"


@pytest.mark.parametrize(
    ("base", "target", "joined"),
    [
        (b"", b"/v1/x", b"/v1/x"),
        (b"/v1", b"/v1/x", b"/v1/x"),
        (b"/v1", b"/v1", b"/v1"),
        (b"/v1", b"/v1?a", b"/v1?a"),
        (b"/v1", b"/x", b"/v1/x"),
        (b"/v1", b"/v10/x", b"/v1/v10/x"),
        (b"/v1", b"/v1/v1/x", b"/v1/v1/x"),
        (b"/api/v1", b"/v1/x", b"/api/v1/x"),
        (b"/openai", b"/v1/x", b"/openai/v1/x"),
        (b"/v1", b"/@a/v1/x", b"/v1/x"),
        (b"/av1", b"/v1/x", b"/av1/v1/x"),
    ],
)
def test_the_path_of_upstream_stands_in_front_and_v1_counts_once(base: bytes, target: bytes, joined: bytes) -> None:
    answer = resolved(target, base=base)

    assert isinstance(answer, Address)
    assert answer.target == joined


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://127.0.0.1:8080/v1?x", b"/v1?x"),
        (b"HTTPS://127.0.0.1:8080", b"/"),
        (b"http://127.0.0.1:8080?x", b"/?x"),
        (b"http://127.0.0.1:8080/@a/x", b"/x"),
    ],
)
def test_a_url_of_this_server_is_its_path(target: bytes, path: bytes) -> None:
    answer = resolved(target)

    assert isinstance(answer, Address)
    assert answer.target == path


@pytest.mark.parametrize("target", [b"http://elsewhere/", b"http://127.0.0.1:8081/", b"http://127.0.0.1:8080@elsewhere/", b"x", b"", b"*"])
def test_any_other_target_is_refused(target: bytes) -> None:
    assert code(resolved(target)) == "bad_target"


def test_options_may_ask_for_the_server_itself() -> None:
    assert resolved(b"*", method="OPTIONS", base=b"/v1") == Address("main", "record", b"*")


def test_connect_is_refused() -> None:
    assert code(resolved(b"elsewhere:443", method="CONNECT")) == "bad_target"


@pytest.mark.parametrize("host", [b"", b"a b", b"a,b", b"user@host", b"host/path", b"host:port", b"[::1", b"a?b", b"a:123456"])
def test_a_host_that_is_none_is_refused(host: bytes) -> None:
    assert code(resolved(b"/", host=(b"host", host))) == "bad_target"


@pytest.mark.parametrize("host", [b"localhost", b"API.example.com:443", b"[::1]:8080", b"1.2.3.4:", b"a_b"])
def test_any_host_that_is_one_will_do(host: bytes) -> None:
    assert code(resolved(b"/", host=(b"hOsT", host))) is None


def test_one_host_is_needed() -> None:
    assert code(resolved(b"/", HOST)) == "bad_target"
    assert code(Addressing("main", "record", ("record",), b"").resolve("GET", b"/", [], OWN)) == "bad_target"


@given(st.binary(max_size=60), st.sampled_from(["GET", "OPTIONS", "CONNECT"]))
def test_any_target_is_resolved_or_refused(target: bytes, method: str) -> None:
    answer = resolved(target, method=method)

    assert isinstance(answer, Refusal) or answer.target.startswith(b"/") or answer.target == b"*"


@pytest.mark.parametrize(("mode", "spec"), [("record", b"429"), ("forward", b"429"), ("replay", b"cutt")])
def test_a_fault_is_refused_where_nothing_is_replayed_and_where_it_is_none(mode: str, spec: bytes) -> None:
    addressing = Addressing("default", "record", ("record", "forward", "replay"), b"")

    refused = addressing.resolve("GET", b"/v1", [(b"Host", b"h"), (b"Playhead-Mode", mode.encode()), (b"Playhead-Fault", spec)], frozenset())

    assert isinstance(refused, Refusal)
    assert refused.code == "bad_fault"


def test_several_headers_ask_for_several_faults() -> None:
    addressing = Addressing("default", "replay", ("replay",), b"")

    found = addressing.resolve("GET", b"/v1", [(b"Host", b"h"), (b"Playhead-Fault", b"429; cut"), (b"playhead-fault", b"503")], frozenset())

    assert isinstance(found, Address)
    assert [*map(str, found.faults)] == ["429", "cut", "503"]
