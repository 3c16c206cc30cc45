"""Unions of models that are told apart by their `type`, with one member for whatever else comes. Pure."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .wire import Maybe, Wire


class Unknown(Wire):
    """An object of a type that these models do not know."""

    type: Maybe[str] = None


class Tagged:
    """Marks a union of models as told apart by their `type`: `Annotated[Click | Drag | UnknownAction, Tagged()]`.

    What has no type of theirs is parsed as the member that is an `Unknown`.
    An object without any type, but with one of these `roles`, is the member whose type may be absent.
    """

    __slots__ = ("_roles",)

    def __init__(self, *roles: str) -> None:
        self._roles = roles

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices: dict[Any, CoreSchema] = {}  # by type, or by the role of what has none
        rest: CoreSchema = core_schema.any_schema()
        for member in get_args(source):
            schema = handler.generate_schema(member)
            if issubclass(member, Unknown):
                rest = schema
                continue
            choices |= dict.fromkeys(tags(member), schema)
            if self._roles and not member.model_fields["type"].is_required():
                choices |= dict.fromkeys(self._roles, schema)
        paths: list[list[str | int]] = [["type"], ["role"]] if self._roles else [["type"]]
        known = core_schema.tagged_union_schema(choices, discriminator=paths)
        unknown = core_schema.no_info_after_validator_function(_Unless(frozenset(choices), frozenset(self._roles)), rest)
        return core_schema.union_schema([known, unknown], mode="left_to_right")


class _Unless:
    """Refuses an unknown object whose type, or in place of one its role, is known after all: then something else in it is wrong."""

    __slots__ = ("_roles", "_types")

    def __init__(self, types: frozenset[str], roles: frozenset[str]) -> None:
        self._types, self._roles = types, roles

    def __call__(self, model: Unknown) -> Unknown:
        role = None if "type" in model.model_fields_set else (model.__pydantic_extra__ or {}).get("role")
        if (isinstance(model.type, str) and model.type in self._types) or (isinstance(role, str) and role in self._roles):
            raise ValueError("known")
        return model


def tags(model: type[Wire]) -> tuple[str, ...]:
    """The values of `type` that a model is for."""
    declared = model.model_fields["type"].annotation
    options = (declared,) if get_origin(declared) is Literal else get_args(declared)
    return tuple(value for option in options if get_origin(option) is Literal for value in get_args(option))


def members(union: Any) -> tuple[type[Wire], ...]:
    """The models of a tagged union, less the unknown one."""
    return tuple(member for member in get_args(get_args(union)[0]) if not issubclass(member, Unknown))


def types(union: Any) -> tuple[str, ...]:
    """The values of `type` that a tagged union knows."""
    return tuple(tag for member in members(union) for tag in tags(member))
