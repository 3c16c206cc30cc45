"""Forms in parts: what they say without their boundary, and long ones without being read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.fingerprinting.multipart import Part, WithoutBoundary, boundary_of, parts_of


def form(*parts: tuple[str, bytes], boundary: str = "XyZ") -> bytes:
    """Parts as (head, content)."""
    lines = [f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts]
    return b"".join([*lines, f"--{boundary}--\r\n".encode()])


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=XyZ", b"XyZ"),
        (b'multipart/form-data; charset=utf-8; Boundary="a b"', b"a b"),
        (b"multipart/form-data;boundary=----WebKit1;x=y", b"----WebKit1"),
        (b"multipart/form-data", None),
        (b"multipart/form-data; boundary=", None),
    ],
)
def test_the_boundary_stands_in_the_content_type(content_type: bytes, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary


def test_a_part_is_its_name_file_name_type_and_content() -> None:
    body = form(
        ('Content-Disposition: form-data; name="file"; filename="a \\"b\\".wav"\r\nContent-Type: audio/wav\r\nContent-Length: 4', b"\r\n--Xy\xff"),
        ("content-disposition: form-data; name=model", b"whisper-1"),
        ("X-Other: 1", b""),
    )

    assert parts_of(body, b"XyZ") == [
        Part(b"file", b'a \\"b\\".wav', b"audio/wav", b"\r\n--Xy\xff"),
        Part(b"model", None, None, b"whisper-1"),
        Part(None, None, None, b""),
    ]


def test_a_part_may_have_no_head() -> None:
    assert parts_of(b"--XyZ\r\n\r\ncontent\r\n--XyZ--", b"XyZ") == [Part(None, None, None, b"content")]


def test_a_form_may_have_no_parts() -> None:
    assert parts_of(b"--XyZ--\r\n", b"XyZ") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"text",
        b"text\r\n" + form(("A: b", b"c")),
        form(("A: b", b"c"))[:-6],
        form(("A: b", b"c"))[:-20],
        b"--XyZ\r\nA: b\r\n--XyZ--",
        b"--XyZrest\r\nA: b\r\n\r\nc\r\n--XyZ--",
        b"--XyZ",
    ],
)
def test_what_is_not_made_of_parts_is_told(body: bytes) -> None:
    assert parts_of(body, b"XyZ") is None


NAMES = st.text("abc-_.", min_size=1, max_size=5)


@given(st.lists(st.tuples(NAMES, st.none() | NAMES, st.binary(max_size=30).filter(lambda data: b"--B0undary" not in data)), max_size=4))
def test_any_parts_come_back(parts: list[tuple[str, str | None, bytes]]) -> None:
    heads = [f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{file}"' if file else "") for name, file, _ in parts]
    body = form(*[(head, content) for head, (_, _, content) in zip(heads, parts, strict=True)], boundary="B0undary")

    assert parts_of(body, b"B0undary") == [Part(name.encode(), file.encode() if file else None, None, content) for name, file, content in parts]


def without(boundary: bytes, pieces: list[bytes]) -> bytes:
    reader = WithoutBoundary(boundary)
    return b"".join([told for piece in pieces for told in reader.feed(piece)]) + reader.finish()


@given(st.lists(st.sampled_from([b"--XyZ", b"--", b"X", b"yZ", b"\r\n", b"text"]), max_size=20), st.lists(st.integers(0, 80), max_size=6))
def test_a_boundary_is_taken_out_wherever_the_body_is_cut(words: list[bytes], cuts: list[int]) -> None:
    body = b"".join(words)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(places)]

    assert without(b"XyZ", pieces) == body.replace(b"--XyZ", b"--")
