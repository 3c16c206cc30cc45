"""Unions told apart by `type`: who gets what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest

from playhead.proxy.models.tagged import Tagged, Unknown, members, tag_of, tags, types
from playhead.proxy.models.wire import Door, Maybe, Problem, Sent, Wire


class Say(Wire):
    type: Maybe[Literal["say"]] = None
    role: Maybe[str] = None
    text: Sent[str] = None


class Move(Wire):
    type: Literal["move", "move_2025"]
    x: Sent[int] = None


class UnknownDeed(Unknown):
    """Another deed."""


class Pointer(Wire):
    type: Maybe[Literal["pointer"]] = None
    id: Sent[str] = None
    agent: Maybe[str] = None


Deed = Annotated[Say | Move | Pointer | UnknownDeed, Tagged("user", "assistant", reference="pointer")]
PlainDeed = Annotated[Move | UnknownDeed, Tagged()]
DEED = Door[Wire](Deed)


@pytest.mark.parametrize(
    ("data", "model"),
    [
        ({"type": "say", "text": "a"}, Say),
        ({"type": "move"}, Move),
        ({"type": "move_2025", "x": 1}, Move),
        ({"role": "user", "text": "a"}, Say),
        ({"role": "assistant"}, Say),
        ({"type": "move", "role": "user"}, Move),
        ({"role": "stranger"}, UnknownDeed),
        ({"type": "new", "role": "user"}, UnknownDeed),
        ({"type": None, "role": "user"}, Say),
        ({"type": None, "role": "stranger"}, UnknownDeed),
        ({"id": "a"}, Pointer),
        ({"type": None, "id": "a", "agent": "b"}, Pointer),
        ({"type": "new", "id": "a"}, UnknownDeed),
        ({"id": "a", "text": "b"}, UnknownDeed),
        ({"id": 1}, UnknownDeed),
        ({"role": "user", "id": "a"}, Say),
        ({}, UnknownDeed),
        ({"text": "a"}, UnknownDeed),
    ],
)
def test_type_and_role_tell_the_model(data: dict[str, Any], model: type[Wire]) -> None:
    deed = DEED(data)

    assert type(deed) is model
    assert deed.problems == ()
    assert deed.to_wire() == data


def test_a_known_type_with_a_wrong_field_is_a_problem_and_not_unknown() -> None:
    deed = DEED({"type": "move", "x": "1"})

    assert type(deed) is Move
    assert deed.problems == (Problem("x", "integer or null", "string"),)


@pytest.mark.parametrize(
    ("data", "path"), [({"type": None, "role": "user", "text": 1}, "text"), ({"role": "user", "text": 1}, "text"), ({"id": "a", "agent": 1}, "agent")]
)
def test_a_wrong_field_is_a_problem_where_the_type_is_left_out(data: dict[str, Any], path: str) -> None:
    assert [problem.path for problem in DEED(data).problems] == [path]


@pytest.mark.parametrize(
    ("data", "tag"), [({"type": "move"}, "move"), ({"role": "user"}, "say"), ({"type": None, "id": "a"}, "pointer"), ({}, None), ({"type": 5}, 5)]
)
def test_the_tag_of_an_object_is_the_type_that_it_is_taken_for(data: dict[str, Any], tag: Any) -> None:
    assert tag_of(DEED(data)) == tag


@pytest.mark.parametrize("type_", [5, [], {}, True, 1.5])
def test_a_type_that_is_no_text_is_a_problem(type_: Any) -> None:
    deed = DEED({"type": type_, "x": 1})

    assert type(deed) is UnknownDeed
    assert [problem.path for problem in deed.problems] == ["type"]
    assert deed.to_wire() == {"type": type_, "x": 1}


def test_without_roles_there_is_no_role() -> None:
    assert type(Door[Wire](PlainDeed)({"role": "user"})) is UnknownDeed


def test_a_union_tells_its_types() -> None:
    assert tags(Move) == ("move", "move_2025")
    assert tags(Say) == ("say",)
    assert members(Deed) == (Say, Move, Pointer)
    assert types(Deed) == ("say", "move", "move_2025", "pointer")


def test_what_is_wrong_in_an_object_that_only_its_role_tells_is_a_problem() -> None:
    parsed = Door[Wire](Deed)({"role": "user", "text": 5})

    assert (type(parsed), [problem.path for problem in parsed.problems]) == (Say, ["text"])


def test_a_role_that_is_called_like_a_type_tells_nothing() -> None:
    assert type(Door[Wire](PlainDeed)({"role": "move", "odd": 1})) is UnknownDeed
