"""Unions of models that are told apart by their `type`, with one member for whatever else comes. Pure."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .wire import Maybe, Wire, field
from .wire import members as members_of

_REFERRING = frozenset(("id", "type", "agent"))
"""All that a reference may have: an item that has more is not told by its id."""


class Unknown(Wire):
    """An object of a type that these models do not know."""

    type: Maybe[str] = None


class Tagged:
    """Marks a union of models as told apart by their `type`: `Annotated[Click | Drag | UnknownAction, Tagged()]`.

    What has no type of theirs is parsed as the member that is an `Unknown`.
    An object without any type, but with one of these `roles`, is the member whose type may be absent; one that has an id to go by is a `reference`.
    """

    __slots__ = ("_reference", "_roles")

    def __init__(self, *roles: str, reference: str | None = None) -> None:
        self._roles = roles
        self._reference = reference

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices: dict[Any, CoreSchema] = {}  # by type, or by the role of what has none
        rest: CoreSchema = core_schema.any_schema()
        for member in get_args(source):
            schema = handler.generate_schema(member)
            if issubclass(member, Unknown):
                rest = schema
                continue
            choices |= dict.fromkeys(tags(member), schema)
            if self._roles and self._reference not in tags(member) and not member.model_fields["type"].is_required():
                choices |= dict.fromkeys(self._roles, schema)
        paths: list[list[str | int]] = [["type"], ["role"]] if self._roles else [["type"]]
        known = core_schema.tagged_union_schema(choices, discriminator=paths)
        untyped = _Untyped(frozenset(self._roles), self._reference)
        unknown = core_schema.no_info_after_validator_function(_Unless(frozenset(choices), untyped), rest)
        tried: list[CoreSchema | tuple[CoreSchema, str]] = [known, unknown]
        if self._roles:  # behind the rest, since no object that has a type pays for it there
            named = [*self._roles, *([self._reference] if self._reference else ())]
            tried.insert(1, core_schema.tagged_union_schema({name: choices[name] for name in named}, discriminator=untyped.told))
        return core_schema.union_schema(tried, mode="left_to_right")


class _Untyped:
    """What an object is whose type is absent or null: its role, or the type of references; None if neither."""

    __slots__ = ("_reference", "_roles")

    def __init__(self, roles: frozenset[str], reference: str | None) -> None:
        self._roles, self._reference = roles, reference

    def told(self, value: Any) -> str | None:
        if not isinstance(value, dict) or value.get("type") is not None:
            return None
        role = value.get("role")
        if isinstance(role, str) and role in self._roles:
            return role
        return self._reference if isinstance(value.get("id"), str) and value.keys() <= _REFERRING else None


class _Unless:
    """Refuses an unknown object whose type, or in place of one its role, is known after all: then something else in it is wrong."""

    __slots__ = ("_types", "_untyped")

    def __init__(self, types: frozenset[str], untyped: _Untyped) -> None:
        self._types, self._untyped = types, untyped

    def __call__(self, model: Unknown) -> Unknown:
        if (isinstance(model.type, str) and model.type in self._types) or self._untyped.told(members_of(model)) is not None:
            raise ValueError("known")
        return model


@cache
def tags(model: type[Wire]) -> tuple[str, ...]:
    """The values of `type` that a model is for."""
    declared = model.model_fields["type"].annotation
    options = (declared,) if get_origin(declared) is Literal else get_args(declared)
    return tuple(value for option in options if get_origin(option) is Literal for value in get_args(option))


def tag_of(model: Wire) -> Any:
    """The `type` of an object of a tagged union; what it is taken for if it gives none."""
    said = field(model, "type")
    return next(iter(tags(model.__class__)), None) if said is None else said


def members(union: Any) -> tuple[type[Wire], ...]:
    """The models of a tagged union, less the unknown one."""
    return tuple(member for member in get_args(get_args(union)[0]) if not issubclass(member, Unknown))


def types(union: Any) -> tuple[str, ...]:
    """The values of `type` that a tagged union knows."""
    return tuple(tag for member in members(union) for tag in tags(member))
