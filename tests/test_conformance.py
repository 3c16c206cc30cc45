"""The wire models against the installed `openai` package; and that the comparison sees what it is for."""

from __future__ import annotations

from typing import Annotated, Literal

import openai
import pytest
from pydantic import BaseModel

from conformance import ALLOWED, OURS, Comparison, compare, matches, not_allowed
from playhead.proxy.models.items import BETA_ITEMS, INPUT_ITEMS, OUTPUT_ITEMS, Item
from playhead.proxy.models.tagged import Tagged, Unknown, types
from playhead.proxy.models.wire import Maybe, OneOf, Sent, Undeclared, Wire

TODAY = (3, 54)
VERSION = tuple(int(part) for part in openai.__version__.split(".")[:2])


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare()


@pytest.mark.skipif(VERSION < TODAY, reason="an older openai package has other types")
def test_the_models_have_all_that_the_package_has(comparison: Comparison) -> None:
    assert not_allowed(comparison.lacking | comparison.not_walked()) == []


@pytest.mark.skipif(VERSION < TODAY, reason="an older openai package has other types")
def test_the_models_have_nothing_that_the_package_lacks(comparison: Comparison) -> None:
    assert not_allowed(comparison.beyond(OURS)) == []


@pytest.mark.skipif(VERSION < TODAY, reason="an older openai package has other types")
def test_every_allowance_is_needed(comparison: Comparison) -> None:
    found = comparison.lacking | comparison.beyond(OURS)

    assert len(ALLOWED) <= 10
    assert [pattern for pattern, _ in ALLOWED if not any(matches(each, [pattern]) for each in found)] == []


def test_the_names_of_items_are_those_of_the_union() -> None:
    assert (len(OUTPUT_ITEMS), len(set(INPUT_ITEMS) - set(OUTPUT_ITEMS)), len(BETA_ITEMS)) == (28, 3, 3)
    assert {*INPUT_ITEMS, *BETA_ITEMS} == set(types(Item))


# The comparison itself.


class Inner(BaseModel):
    x: int


class Theirs(BaseModel):
    type: Literal["click"]
    button: Literal["left", "right"]
    where: Inner | None = None


class Other(BaseModel):
    type: Literal["scroll"]


class OurInner(Wire):
    x: Sent[int] = None


class Ours(Wire):
    type: Literal["click"]
    button: Sent[Annotated[str, OneOf("left", "right")]] = None
    where: Maybe[OurInner] = None


class UnknownOurs(Unknown):
    """Of another type."""


class WithoutField(Wire):
    type: Literal["click"]
    button: Sent[Annotated[str, OneOf("left", "right")]] = None


class WithoutValue(Wire):
    type: Literal["click"]
    button: Sent[Annotated[str, OneOf("left")]] = None
    where: Maybe[OurInner] = None


class WithoutModel(Wire):
    type: Literal["click"]
    button: Sent[Annotated[str, OneOf("left", "right")]] = None
    where: Maybe[int] = None


class Declared(Wire):
    type: Literal["click"]
    button: Undeclared[Annotated[str, OneOf("left", "right")]] = None
    where: Maybe[OurInner] = None


class InnerWithMore(Wire):
    x: Sent[int] = None
    y: Sent[int] = None
    z: Undeclared[int] = None


class WithMore(Wire):
    type: Literal["click", "tap"]
    button: Sent[Annotated[str, OneOf("left", "right", "wheel", older=("middle",))]] = None
    where: Maybe[InnerWithMore] = None


def lacking(theirs: object, ours: object) -> set[str]:
    comparison = Comparison()
    comparison.walk(theirs, ours, "root")
    return comparison.lacking


PAIRS: tuple[tuple[object, object, set[str]], ...] = (
    (Theirs, Ours, set()),
    (Theirs | None, Annotated[Ours | UnknownOurs, Tagged()], set()),
    (Theirs | Other, Annotated[Ours | UnknownOurs, Tagged()], {"root: Other['scroll']"}),
    (Theirs, WithoutField, {"WithoutField.where"}),
    (Theirs, WithoutValue, {"WithoutValue.button: 'right'"}),
    (Theirs, WithoutModel, {"WithoutModel.where: Inner[]"}),
    (Theirs, Declared, {"Declared.button: declared by now"}),
)


@pytest.mark.parametrize(("theirs", "ours", "difference"), PAIRS)
def test_what_the_models_lack_is_found(theirs: object, ours: object, difference: set[str]) -> None:
    assert lacking(theirs, ours) == difference


def test_what_the_models_have_beyond_is_found() -> None:
    comparison = Comparison()
    comparison.walk(Theirs, WithMore, "root")

    assert comparison.beyond((WithMore,)) == {"WithMore: type 'tap'", "WithMore.button: 'wheel'", "InnerWithMore.y", "WithMore.type: 'tap'"}
