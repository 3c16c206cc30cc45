"""A request's head: what upstream gets, what the record holds."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from playhead.proxy.forwarding.addressing import Addressing, Refusal
from playhead.proxy.forwarding.admission import Admission
from playhead.proxy.forwarding.http1 import Header
from playhead.proxy.forwarding.inbound import Inbound, Reception
from playhead.storage.keys import key_id

KEY = b"k" * 32
SECRET = b"sk-proj-0123456789abcdefghijklmnop"
HOST = (b"hOST", b"here")


@pytest.fixture
def reception() -> Reception:
    return Reception(Addressing("main", "record", ("record", "forward"), b""), authority=b"up:1", upstream="http://up:1", run="run", key=KEY)


def read(reception: Reception, *headers: Header, method: str = "POST", target: bytes = b"/v1/x") -> Inbound:
    inbound = reception.read(method, target, [HOST, *headers])
    assert isinstance(inbound, Inbound), inbound
    return inbound


def meta(inbound: Inbound) -> dict[str, object]:
    found: dict[str, object] = json.loads(inbound.meta + b"1}")
    return found


def test_upstream_gets_the_head_as_it_came_but_for_its_host(reception: Reception) -> None:
    inbound = read(reception, (b"B", b"\xe9"), (b"a", b"1"), (b"A", b"2"), (b"a", b"1"))

    assert inbound.head == b"POST /v1/x HTTP/1.1\r\nhOST: up:1\r\nB: \xe9\r\na: 1\r\nA: 2\r\na: 1\r\n\r\n"
    assert inbound.recorded_head == b"POST /v1/x HTTP/1.1\r\nhOST: here\r\nB: \xe9\r\na: 1\r\nA: 2\r\na: 1\r\n\r\n"


def test_a_host_that_nobody_named_is_upstreams_alone(reception: Reception) -> None:
    inbound = reception.read_unnamed("POST", b"/v1/x", [(b"Content-Length", b"3"), (b"Authorization", b"Bearer localhost")])
    assert isinstance(inbound, Inbound), inbound

    assert inbound.head == b"POST /v1/x HTTP/1.1\r\nContent-Length: 3\r\nAuthorization: Bearer localhost\r\nHost: up:1\r\n\r\n"
    assert inbound.recorded_head == b"POST /v1/x HTTP/1.1\r\nContent-Length: 3\r\nAuthorization: Bearer <redacted:api-key>\r\n\r\n"


def test_what_speaks_to_playhead_is_in_neither(reception: Reception) -> None:
    inbound = read(reception, (b"Playhead-Session", b"s"), (b"PLAYHEAD-OTHER", b"x"), target=b"/@t/v1/x")

    assert inbound.head == b"POST /v1/x HTTP/1.1\r\nhOST: up:1\r\n\r\n"
    assert (inbound.address.session, meta(inbound)["session"]) == ("s", "s")
    assert b"layhead" not in inbound.recorded_head


def test_hop_by_hop_headers_are_recorded_and_not_sent(reception: Reception) -> None:
    hops = (b"Connection", b"close, X-Hop"), (b"x-hop", b"1"), (b"TE", b"trailers"), (b"Keep-Alive", b"5"), (b"Upgrade", b"h2c")
    inbound = read(reception, *hops, (b"Kept", b"1"))

    assert inbound.head == b"POST /v1/x HTTP/1.1\r\nhOST: up:1\r\nKept: 1\r\n\r\n"
    assert inbound.recorded_head.count(b"\r\n") == 9


@pytest.mark.parametrize("name", [b"Content-Length", b"Transfer-Encoding", b"Host"])
def test_no_connection_header_takes_away_what_frames_a_request(reception: Reception, name: bytes) -> None:
    value = b"chunked" if name == b"Transfer-Encoding" else b"5"
    inbound = read(reception, (b"Connection", name.lower()), *([(name, value)] if name != b"Host" else []))

    assert b"\r\n" + name.lower() + b": " in inbound.head.lower()


def test_an_upgrade_without_a_connection_header_is_none(reception: Reception) -> None:
    inbound = read(reception, (b"Upgrade", b"websocket"), method="GET")

    assert (inbound.websocket, inbound.head) == (False, b"GET /v1/x HTTP/1.1\r\nhOST: up:1\r\n\r\n")


def test_a_websocket_handshake_goes_up_as_one(reception: Reception) -> None:
    inbound = read(reception, (b"Connection", b"keep-alive, Upgrade"), (b"upgrade", b"WebSocket"), (b"Sec-WebSocket-Key", b"k"), method="GET")

    assert (inbound.websocket, meta(inbound)["transport"]) == (True, "ws")
    assert inbound.head == b"GET /v1/x HTTP/1.1\r\nhOST: up:1\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nupgrade: WebSocket\r\n\r\n"


def test_secrets_go_up_and_are_not_recorded(reception: Reception) -> None:
    inbound = read(reception, (b"Authorization", b"Bearer " + SECRET), (b"Cookie", b"a=some-cookie-value"), target=b"/v1/x?api-key=other-key-here")

    assert (SECRET in inbound.head, b"some-cookie-value" in inbound.head, b"other-key-here" in inbound.head) == (True, True, True)
    for secret in (SECRET, b"some-cookie-value", b"other-key-here"):
        assert secret not in inbound.recorded_head + inbound.meta
    assert SECRET in inbound.secrets
    assert (inbound.redacted, meta(inbound)["redacted"]) == (True, True)


def test_the_same_key_has_the_same_id_whatever_stands_around_it(reception: Reception) -> None:
    ids = {
        meta(read(reception, (b"Authorization", b"Bearer " + SECRET)))["key_id"],
        meta(read(reception, (b"X", b"y"), (b"authorization", b"bearer " + SECRET)))["key_id"],
        meta(read(reception, (b"x-api-key", SECRET)))["key_id"],
    }

    assert ids == {key_id(KEY, SECRET)}


def test_a_request_without_a_key_has_no_id(reception: Reception) -> None:
    assert meta(read(reception))["key_id"] is None


def test_verdicts_of_one_request_do_not_reach_another(reception: Reception) -> None:
    read(reception, (b"Authorization", b"Bearer " + SECRET))
    inbound = read(reception, (b"X", b"y"))

    assert (inbound.secrets, inbound.redacted, meta(inbound)["key_id"]) == ([], False, None)


def test_many_different_headers_do_not_stay_for_ever(reception: Reception) -> None:
    for number in range(10_000):
        read(reception, (b"X-Request", b"%d" % number))

    assert read(reception, (b"X", b"y")).head == b"POST /v1/x HTTP/1.1\r\nhOST: up:1\r\nX: y\r\n\r\n"


def test_content_codings_are_collected_in_their_order(reception: Reception) -> None:
    assert read(reception, (b"Content-Encoding", b"identity")).coding is None
    assert read(reception, (b"Content-Encoding", b"gzip"), (b"content-encoding", b"br")).coding == b"gzip, br"


@pytest.mark.parametrize("value", [b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b""])
def test_only_chunked_is_taken_as_transfer_encoding(reception: Reception, value: bytes) -> None:
    refused = reception.read("POST", b"/", [HOST, (b"Transfer-Encoding", value)])

    assert isinstance(refused, Refusal)
    assert refused.code == "bad_request"


def test_a_mode_that_does_not_record_makes_no_record(reception: Reception) -> None:
    inbound = read(reception, (b"Playhead-Mode", b"forward"))

    assert (inbound.recorded, inbound.recorded_head, inbound.meta) == (False, b"", b"")


@pytest.mark.parametrize(("method", "safe"), [("GET", True), ("HEAD", True), ("OPTIONS", True), ("POST", False), ("PUT", False), ("DELETE", False)])
def test_only_what_changes_nothing_may_be_sent_again(reception: Reception, method: str, safe: bool) -> None:
    assert read(reception, method=method).safe is safe


def test_a_key_that_stands_in_an_innocent_header_or_parameter_as_well_is_replaced_there(reception: Reception) -> None:
    found = read(reception, (b"Authorization", b"Bearer " + SECRET), (b"X-Note", SECRET), target=b"/v1/models?note=" + SECRET)

    assert SECRET not in found.recorded_head


def replaying(on_miss: str, *, token: bytes | None = None) -> Reception:
    modes = ("record", "replay", "auto", "forward")
    addressing = Addressing("main", "replay", modes, b"", on_miss, admission=Admission("0.0.0.0", False, token) if token else None, guarded=True)
    return Reception(addressing, authority=b"up:1", upstream="http://up:1", run="run", key=KEY)


def test_a_replayed_request_is_read_as_it_would_be_recorded_and_goes_nowhere() -> None:
    inbound = read(replaying("fail"), (b"Authorization", b"Bearer " + SECRET))

    assert inbound.recorded_head == b"POST /v1/x HTTP/1.1\r\nhOST: here\r\nAuthorization: Bearer <redacted:api-key>\r\n\r\n"
    assert (inbound.recorded, inbound.head, inbound.meta) == (False, b"", b"")


def test_a_request_that_found_no_recording_goes_on_as_any_other() -> None:
    reception = replaying("record")
    live = reception.live(read(reception, (b"Authorization", b"Bearer " + SECRET)), "run of the take")

    assert live.head == b"POST /v1/x HTTP/1.1\r\nhOST: up:1\r\nAuthorization: Bearer " + SECRET + b"\r\n\r\n"
    assert live.recorded
    assert (meta(live)["run"], meta(live)["mode"], meta(live)["key_id"]) == ("run of the take", "auto", key_id(KEY, SECRET))


def test_what_is_only_forwarded_then_is_not_recorded() -> None:
    reception = replaying("forward")
    live = reception.live(read(reception), "run of the take")

    assert (live.recorded, live.meta, live.head) == (False, b"", b"POST /v1/x HTTP/1.1\r\nhOST: up:1\r\n\r\n")


def test_without_a_take_to_add_to_a_live_request_begins_one() -> None:
    reception = replaying("record")

    assert meta(reception.live(read(reception), None))["run"] == "run"


def test_the_target_is_known_without_the_search_for_the_requests_key_in_it() -> None:
    inbound = read(replaying("fail"), (b"x-api-key", b"unused-key"), target=b"/v1/x?q=unused-key&api-key=other-key-here")

    assert inbound.plain_target == b"/v1/x?q=unused-key&api-key=<redacted:api-key>"
    assert b"unused-key" not in inbound.recorded_head


def test_the_replay_token_is_found_where_keys_stand() -> None:
    reception = replaying("record", token=b"let-me-in")

    assert read(reception, (b"AUTHORIZATION", b"Bearer let-me-in")).address.keyless
    assert not read(reception, (b"Playhead-Token", b"let-me-in")).address.keyless
    assert isinstance(reception.read("GET", b"/", [HOST]), Refusal)


@pytest.mark.parametrize("name", [b"X-Long", b"Playhead-Long", b"Keep-Alive"])
def test_of_long_heads_nothing_is_kept(name: bytes) -> None:
    reception = replaying("fail")
    read(reception)
    tracemalloc.start()
    try:
        for number in range(100):
            read(reception, (name, b"%d" % number + b"x" * 20_000), (b"Content-Length", b"5"))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 200_000
