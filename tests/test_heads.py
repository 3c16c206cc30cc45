"""Raw heads are read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.heads import headers_of

lines = st.sampled_from([b"a: 1", b"A:2", b"b:\t3 ", b"no header", b"", b": 4", b"c:", b"d: 5: 6"])


@given(st.lists(lines, max_size=8), st.sampled_from([b"", b"x: " + b"y" * 5000]))
def test_headers_are_read_by_their_lower_names_and_joined_where_one_stands_there_again(said: list[bytes], long: bytes) -> None:
    wanted: dict[bytes, list[bytes]] = {}
    for name, colon, value in (line.partition(b":") for line in [*said, long]):
        if colon:
            wanted.setdefault(name.lower(), []).append(value.strip())

    assert headers_of(b"\r\n".join([b"HTTP/1.1 200 OK", *said, long, b"", b""])) == {name: b", ".join(values) for name, values in wanted.items()}
