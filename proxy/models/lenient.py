"""A schema in which every place takes anything, made from a strict one: what does not fit becomes a `Misfit`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pydantic_core import CoreSchema, core_schema

_PLACES: Mapping[str, str] = {"model-field": "schema", "list": "items_schema", "dict": "values_schema"}
_OPAQUE = frozenset(("metadata", "serialization", "cls", "config"))
_BY_NAME = frozenset(("fields", "choices"))
"""Schemas by names of the protocol, which may be those above."""
_TYPES: Mapping[str, str] = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
    "model": "object",
    "tagged-union": "object",
    "definition-ref": "object",
    "none": "null",
    "any": "anything",
}
_INNER = frozenset(("nullable", "default", "definitions", "function-wrap", "function-before", "function-after"))
"""Schemas around another, their `schema`."""


class Misfit:
    """A value that is not what its place is for."""

    __slots__ = ("expected", "value")

    def __init__(self, expected: str, value: Any) -> None:
        self.expected, self.value = expected, value


def lenient(schema: CoreSchema) -> CoreSchema:
    """The schema with every field, list item and dict value open to misfits, and no field required."""
    opened: CoreSchema = _opened(schema)
    return opened


def _opened(node: Any) -> Any:
    if isinstance(node, list):
        return [_opened(member) for member in node]
    if isinstance(node, tuple):
        return tuple(_opened(member) for member in node)
    if not isinstance(node, dict):
        return node
    opened = {key: _opened_by_name(member) if key in _BY_NAME else member if key in _OPAQUE else _opened(member) for key, member in node.items()}
    place = _PLACES.get(str(node.get("type")))
    if place is None or place not in node:
        return opened
    inner = opened[place]
    if node["type"] != "model-field":
        opened[place] = _or_misfit(inner)
    elif inner["type"] == "default":
        opened[place] = {**inner, "schema": _or_misfit(inner["schema"])}
    else:  # what a union is told apart by, where no union has seen to it
        opened[place] = core_schema.with_default_schema(_or_misfit(inner), default=None)
    return opened


def _opened_by_name(schemas: Any) -> Any:
    return {name: _opened(schema) for name, schema in schemas.items()} if isinstance(schemas, dict) else _opened(schemas)


def _or_misfit(schema: CoreSchema) -> CoreSchema:
    if schema["type"] == "any":
        return schema
    misfit = core_schema.no_info_plain_validator_function(partial(Misfit, expected(schema)))
    return core_schema.union_schema([schema, misfit], mode="left_to_right")


def expected(schema: Any) -> str:
    """What a schema takes, as JSON types: `string or null`."""
    return " or ".join(dict.fromkeys(_expected(schema)))


def _expected(schema: Mapping[str, Any]) -> Iterator[str]:
    kind = schema["type"]
    if kind == "literal":
        yield from (repr(value) for value in schema["expected"])
    elif kind == "union":
        for choice in schema["choices"]:
            yield from _expected(choice[0] if isinstance(choice, tuple) else choice)
    elif kind in _INNER:
        yield from _expected(schema["schema"])
        if kind == "nullable":
            yield "null"
    else:
        yield _TYPES.get(kind, kind)


def json_type(value: Any) -> str:
    """The JSON type of a value, for people."""
    if isinstance(value, bool):
        return "boolean"
    names: tuple[tuple[type, str], ...] = ((dict, "object"), (list, "array"), (str, "string"), (int, "integer"), (float, "number"))
    return next((name for kind, name in names if isinstance(value, kind)), "null")
