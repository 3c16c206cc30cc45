"""What is journalled of a request's body when the client leaves in the middle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from canaries import SPELLINGS, Canaries, occurrences
from playhead.proxy.forwarding.inbound import Inbound
from playhead.proxy.redaction import RedactionMemo, redact_head
from playhead.proxy.tapes.request_tape import RequestTape
from playhead.storage.records import Kind

CANARIES = Canaries()
HEAD = CANARIES.head("head")
KEY = HEAD[0][1].removeprefix(b"Bearer ")
BODIES = [spelling(CANARIES.document("body", KEY.decode())) for spelling in SPELLINGS]
SECRETS = redact_head(b"POST", b"/", HEAD).secrets


def journalled(text: bytes, secrets: tuple[bytes, ...] = SECRETS) -> bytes:
    """What is kept of a request that ends there."""
    out: list[bytes] = []

    def record(kind: Kind, payload: bytes) -> None:
        out.append(payload)

    inbound = Inbound("POST", None, secrets=list(secrets))  # type: ignore[arg-type]  # where it goes does not matter here
    tape = RequestTape(record, inbound, RedactionMemo())
    tape.feed(text)
    tape.break_off()
    return b"".join(out)


@given(st.sampled_from(BODIES), st.floats(0, 1))
def test_nothing_of_a_secret_is_kept_wherever_the_client_leaves(body: bytes, part: float) -> None:
    assert not occurrences(journalled(body[: int(len(body) * part)]))


@given(st.sampled_from(BODIES[4:]), st.integers(0, 6 * len(KEY)))
def test_nothing_of_a_key_in_escapes_is_kept(body: bytes, size: int) -> None:
    start = body.index(b"sk-proj-")

    assert not occurrences(journalled(body[: start + size]))


def test_what_is_no_secret_is_kept_to_the_end() -> None:
    text = b'{"input": "a long story \\u00e9\\'

    assert journalled(text) == text


def test_a_text_may_end_with_a_start_of_several_secrets() -> None:
    assert journalled(b"it is sk-ab", (b"sk-abcdefgh", b"it is sk-abc")) == b""
