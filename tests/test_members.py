"""One member of a JSON object is changed, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.recordings.members import dumped, members, with_member, without_member
from unfolded import values

objects = st.dictionaries(st.sampled_from(["type", "stream_id", "a", 'q"', "ü"]), values, max_size=4)
spaced = st.tuples(objects, st.sampled_from([None, 2]), st.booleans()).map(lambda made: json.dumps(made[0], indent=made[1], ensure_ascii=made[2]))


@given(spaced)
def test_all_members_are_found(text: str) -> None:
    found = members(text)

    assert {member.name: json.loads(text[member.value : member.end]) for member in found} == json.loads(text)
    assert all(json.loads(text[member.start :].partition(":")[0]) == member.name for member in found)


@given(spaced, values)
def test_a_member_is_set(text: str, value: object) -> None:
    assert json.loads(with_member(text.encode(), "stream_id", value)) == json.loads(text) | {"stream_id": value}


@given(spaced)
def test_a_member_is_taken_away(text: str) -> None:
    whole = json.loads(text)

    assert json.loads(without_member(text.encode(), "stream_id")) == {name: value for name, value in whole.items() if name != "stream_id"}


@pytest.mark.parametrize(
    ("text", "without"),
    [
        (b'{ "a" : 1.50 , "stream_id" : "x" , "b":[ ]}', b'{ "a" : 1.50 , "b":[ ]}'),
        (b'{"stream_id":"x","a":1}', b'{"a":1}'),
        (b'{"a":1,"stream_id":"x"}', b'{"a":1}'),
        (b'{"stream_id":"x"}', b"{}"),
        (b'{"a":{"stream_id":1},"stream_id":"x","s":"\\"stream_id\\":2,"}', b'{"a":{"stream_id":1},"s":"\\"stream_id\\":2,"}'),
        (b'{"stream_id":"x","a":1,"stream_id":"y"}', b'{"a":1}'),
        (b'{"a":1}', b'{"a":1}'),
    ],
)
def test_all_other_bytes_stay(text: bytes, without: bytes) -> None:
    assert without_member(text, "stream_id") == without


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (b'{ "a" : 1.50 }', b'{ "a" : 1.50,"stream_id":"y" }'),
        (b'{ "stream_id" : "x" , "a":1}', b'{ "stream_id" : "y" , "a":1}'),
        (b"{ }", b'{"stream_id":"y" }'),
    ],
)
def test_a_member_goes_where_it_was_or_to_the_end(text: bytes, changed: bytes) -> None:
    assert with_member(text, "stream_id", "y") == changed


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a"', b'{"a" 1}', b'{"a":1', b'{"a":1 2}', b"{1:2}", b'{"a":}', b"\xff", b"[" * 100_000])
def test_what_is_no_object_stays_as_it_is(text: bytes) -> None:
    assert with_member(text, "a", 1) == without_member(text, "a") == text


def test_half_a_surrogate_pair_is_written_as_it_was() -> None:
    assert dumped({"ü": "\ud800"}) == b'{"\\u00fc":"\\ud800"}'
    assert dumped({"ü": "👋"}) == '{"ü":"👋"}'.encode()
