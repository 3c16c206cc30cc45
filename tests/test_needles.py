"""Known secrets are found where they stand, whatever else does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.masking.needles import Needles, findable, finds, literally, readable

KEY, CODE, WORD = b"sk-proj-Sekret+9876543210", b'p"ass\\word/0123456789', "geheimnis-für-änderungen".encode()
LONG = b"x0" * 4096
SECRETS = st.lists(st.sampled_from([KEY, CODE, WORD, LONG]), unique=True)
pieces = st.sampled_from([KEY, KEY[:-1], CODE, WORD, LONG, json.dumps(CODE.decode())[1:-1].encode(), b"\xff\xfe", b'{"a":"', b" ", "ü".encode()])
texts = st.lists(pieces, max_size=6).map(b"".join)


@given(SECRETS, texts)
def test_the_first_one_in_a_text_is_found(secrets: list[bytes], text: bytes) -> None:
    forms = {form for secret in secrets for form in (secret, *written(secret))}
    places = [text.find(form) for form in forms if form in text]
    find = Needles(secrets).finder(text, odd=False)
    found = None if find is None else find(0)

    assert (None if found is None else found[0]) == min(places, default=None)


def written(secret: bytes) -> list[bytes]:
    """As JSON holds it, with and without escapes for what is not ASCII."""
    return [json.dumps(secret.decode(), ensure_ascii=ascii_)[1:-1].encode() for ascii_ in (True, False)]


@pytest.mark.parametrize("text", [KEY, CODE, b"a.b*c|d(e)", b"^$[]{}?-#& \x00\x7f"])
def test_a_pattern_finds_the_text_that_it_was_made_of_and_no_other(text: bytes) -> None:
    test = finds(literally([text]))

    assert test(readable(b"\xff" + text + b"\xff"))
    assert not test(readable(text[:-1] + b"\xff"))


def test_what_is_not_ascii_or_very_long_is_not_to_be_found_by_a_test() -> None:
    assert findable((KEY, CODE, WORD, LONG)) == [KEY, CODE]


def test_more_secrets_than_the_engine_takes_are_found_all_the_same() -> None:
    secrets = [b"secret-%05d-" % number + b"x" * 4000 for number in range(60)]
    finder = Needles(secrets).finder(b"see " + secrets[41] + b" there", odd=False)

    assert finder is not None
    assert finder(0) == (4, 4 + len(secrets[41]))
