"""A request that is to be replayed: its fingerprints, its text without secrets, and what goes on to upstream."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_hexdigest

from playhead.config.secrets import NEEDLE, placeholder
from playhead.proxy.fingerprint import HELD, Asked, fingerprint
from playhead.proxy.forwarding.addressing import Addressing
from playhead.proxy.forwarding.http1 import Header
from playhead.proxy.forwarding.inbound import Inbound, Reception
from playhead.proxy.replay.incoming import LIVE, SHOWN, Incoming, Memory
from playhead.storage.records import Fingerprint

UPSTREAM = "http://up/v1"
KEY = (b"Authorization", b"Bearer unused-key")


def inbound(*headers: Header, target: bytes = b"/v1/responses") -> Inbound:
    reception = Reception(Addressing("s", "replay", ("replay",), b"/v1"), authority=b"up", upstream=UPSTREAM, run="r", key=b"k")
    found = reception.read("POST", target, [(b"Host", b"here"), *headers])
    assert isinstance(found, Inbound)
    return found


def collected(body: bytes, *headers: Header, target: bytes = b"/v1/responses", live: bool = False, size: int = 1 << 20) -> Incoming:
    one = Incoming(inbound(*headers, target=target), UPSTREAM, Memory(), live=live)
    for start in range(0, len(body), size):
        one.feed(body[start : start + size])
    one.end()
    return one


def recorded(body: bytes, *, target: str = "/v1/responses") -> Fingerprint:
    """As the recorder has it, with everything redacted already."""
    return fingerprint(Asked("POST", target, {}, UPSTREAM), body)


def test_a_request_is_found_as_it_was_recorded() -> None:
    body = b'{"model": "m", "input": "hello"}'

    assert list(collected(body).fingerprints()) == [recorded(body)]


def test_a_dummy_key_that_is_a_word_of_the_prompt_is_left_alone_at_first() -> None:
    body = b'{"input": "what is an unused-key?"}'
    first, second = collected(body, KEY).fingerprints()

    assert first == recorded(body)
    assert second == recorded(body.replace(b"unused-key", placeholder(NEEDLE)))


def test_a_key_that_stands_nowhere_else_makes_one_fingerprint() -> None:
    assert len(list(collected(b'{"input": "hello"}', KEY).fingerprints())) == 1


def test_what_is_shown_never_holds_the_key() -> None:
    one = collected(b'{"input": "my key is unused-key"}', KEY)

    assert b"unused-key" not in one.text()
    assert b"unused-key" not in one.head


def test_a_key_in_the_query_is_treated_alike() -> None:
    fingerprints = list(collected(b"", KEY, target=b"/v1/files?filter=unused-key").fingerprints())

    assert fingerprints[0] == recorded(b"", target="/v1/files?filter=unused-key")
    assert len(fingerprints) == 2


def test_secrets_in_fields_are_replaced_in_both_readings() -> None:
    body = json.dumps({"tools": [{"type": "mcp", "authorization": "secret-of-mine"}], "input": "x"}).encode()
    (found,) = collected(body, KEY).fingerprints()

    assert found == recorded(body.replace(b"secret-of-mine", b"<redacted:authorization>"))


def test_an_encoded_body_is_compared_decoded_and_sent_as_it_came() -> None:
    packed = gzip.compress(b'{"input": "hello"}')
    one = collected(packed, (b"Content-Encoding", b"gzip"), live=True)

    assert list(one.fingerprints()) == [recorded(b'{"input":"hello"}')]
    assert (one.body, one.text()) == (packed, b'{"input": "hello"}')


def test_a_body_that_cannot_be_decoded_is_known_by_its_hash() -> None:
    (found,) = collected(b"no gzip", (b"Content-Encoding", b"gzip")).fingerprints()

    assert found == fingerprint(Asked("POST", "/v1/responses", {}, UPSTREAM, xxh3_128_hexdigest(b"no gzip")), b"")


def test_what_goes_nowhere_is_not_kept() -> None:
    assert (collected(b"x" * 100).body, collected(b"x" * 100).sendable) == (b"", False)
    assert (collected(b"x" * 100, live=True, size=7).body, collected(b"x" * 100, live=True).sendable) == (b"x" * 100, True)


@pytest.mark.parametrize("size", [HELD, HELD + 1])
def test_a_long_body_is_found_as_well_and_held_in_part(size: int) -> None:
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    one = collected(body, KEY, size=3 << 20)

    assert list(one.fingerprints()) == [recorded(body)]
    assert one.whole == (size <= HELD)
    assert len(one.text()) == (size if one.whole else SHOWN)


def test_a_long_body_with_the_key_in_it_has_two_fingerprints() -> None:
    body = b"unused-key " + b"x" * HELD
    first, second = collected(body, KEY).fingerprints()

    assert first == recorded(body)
    assert second != first


def test_a_body_longer_than_may_be_kept_cannot_be_sent_on() -> None:
    one = collected(b"x" * (LIVE + 1), live=True, size=8 << 20)

    assert (one.sendable, one.body) == (False, b"")


@given(st.binary(max_size=200), st.integers(1, 50))
def test_how_a_body_is_cut_does_not_count(body: bytes, size: int) -> None:
    assert list(collected(body, KEY, size=size).fingerprints()) == list(collected(body, KEY).fingerprints())
