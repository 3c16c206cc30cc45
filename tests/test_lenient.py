"""The lenient schema: what it takes, and what it says was wanted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic_core import SchemaValidator

from playhead.proxy.models.lenient import Misfit, expected, json_type, lenient


class Strict(BaseModel, strict=True):
    number: int = 0
    words: list[str] = []
    table: dict[str, int] = {}
    metadata: str | None = None
    config: str | None = None
    cls: Literal["a", "b"] = "a"
    anything: Any = None


def opened(type_: Any) -> SchemaValidator:
    return SchemaValidator(lenient(TypeAdapter(type_).core_schema), _use_prebuilt=False)


@pytest.mark.parametrize("name", ["number", "words", "table", "metadata", "config", "cls"])
def test_a_field_of_any_name_takes_anything(name: str) -> None:
    wrong = 1.5

    found = getattr(opened(Strict).validate_python({name: wrong}), name)

    assert isinstance(found, Misfit)
    assert found.value == wrong


def test_what_fits_stays_as_it_is() -> None:
    model = opened(Strict).validate_python({"number": 1, "words": ["a"], "table": {"b": 2}, "metadata": None, "cls": "b", "anything": 1.5})

    assert model == Strict(number=1, words=["a"], table={"b": 2}, cls="b", anything=1.5)


def test_members_are_open_one_by_one() -> None:
    model = opened(Strict).validate_python({"words": ["a", 1], "table": {"b": 2, "c": "d"}})

    assert model.words[0] == "a"
    assert model.words[1].value == 1
    assert model.table["b"] == 2
    assert model.table["c"].value == "d"


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (str, "string"),
        (int, "integer"),
        (float, "number"),
        (bool, "boolean"),
        (list[str], "array"),
        (dict[str, int], "object"),
        (Strict, "object"),
        (str | None, "string or null"),
        (int | float | None, "integer or number or null"),
        (Literal["a", "b"], "'a' or 'b'"),
        (str | Annotated[str, "mark"], "string"),
        (Any, "anything"),
    ],
)
def test_what_is_expected_is_said_in_json_types(type_: Any, words: str) -> None:
    assert expected(TypeAdapter(type_).core_schema) == words


@pytest.mark.parametrize(("value", "name"), [({}, "object"), ([], "array"), ("", "string"), (True, "boolean"), (1, "integer"), (1.0, "number"), (None, "null")])
def test_json_types_have_their_names(value: Any, name: str) -> None:
    assert json_type(value) == name
