"""One wrong value in each field of each model: it is kept, it is told, and nothing else suffers."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import pytest

from conformance import tags_or_none
from playhead.proxy.models.names import load, places
from playhead.proxy.models.wire import Door, Unparsed, Wire

WRONG: tuple[tuple[type, Any], ...] = ((int, 7), (str, "wrong"), (float, 1.5), (bool, True), (list, [[]]), (dict, {"wrong": []}))
"""By the JSON type that it is of. `int` is wrong where only texts are right, and so on."""


def accepted(annotation: Any) -> set[type]:
    """The JSON types that a field takes."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return accepted(arguments[0])
    if origin in (Union, types.UnionType):
        return {kind for argument in arguments for kind in accepted(argument)}
    if origin is Literal:
        return {str}
    if annotation is Any:
        return {kind for kind, _ in WRONG}
    kind = origin or annotation
    return {dict if issubclass(kind, Wire) else kind}


def planted(model: type[Wire]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The key of each field, and an object with a wrong value there."""
    sound = {"type": tags_or_none(model)[0]} if tags_or_none(model) else {}
    for name, info in model.model_fields.items():
        right = accepted(info.annotation)
        key = info.alias or name
        for kind, value in WRONG:
            if kind not in right:
                yield key, {"before": 1, **sound, key: value, "after": None}
                break


def planted_in_lists(annotation: Any, *, inside: bool = False) -> Iterator[Any]:
    """A value that is wrong within lists and objects, as deep as the field says that they are in one another."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        yield from planted_in_lists(arguments[0], inside=inside)
    elif origin in (Union, types.UnionType) and not inside:
        for argument in arguments:
            yield from planted_in_lists(argument)
    elif origin in (list, dict):
        yield from ([inner] if origin is list else {"at": inner} for inner in planted_in_lists(arguments[-1], inside=True))
    elif inside:
        yield from [value for kind, value in WRONG if kind not in accepted(annotation)][:1]


def models_of(module: str) -> list[type[Wire]]:
    found = [load(name) for name, place in places().items() if place == module]
    return [model for model in found if isinstance(model, type) and model is not Unparsed]


def failures(model: type[Wire]) -> Iterator[tuple[str, str]]:
    door = Door[Wire](model)
    for key, value in planted(model):
        parsed = door(value)
        if [problem.path for problem in parsed.problems] != [key]:
            yield f"{model.__name__}.{key}", f"problems: {parsed.problems}"
        if json.dumps(parsed.to_wire()) != json.dumps(value):
            yield f"{model.__name__}.{key}", f"came back as {parsed.to_wire()}"


@pytest.mark.parametrize("module", sorted(set(places().values())))
def test_a_wrong_value_is_kept_and_told(module: str) -> None:
    assert [failure for model in models_of(module) for failure in failures(model)] == []


@pytest.mark.parametrize("module", sorted(set(places().values())))
def test_a_wrong_value_within_lists_and_objects_is_kept_and_told(module: str) -> None:
    for model in models_of(module):
        tags = tags_or_none(model)
        for name, info in model.model_fields.items():
            for value in planted_in_lists(info.annotation):
                whole = {**({"type": tags[0]} if tags else {}), info.alias or name: value}
                parsed = Door[Wire](model)(whole)

                assert len(parsed.problems) == 1, (model, name)
                assert json.dumps(parsed.to_wire()) == json.dumps(whole)


def test_nearly_every_field_can_be_wrong() -> None:
    models = [model for module in set(places().values()) for model in models_of(module)]
    fields = {(model, info.alias or name) for model in models for name, info in model.model_fields.items()}
    right = sorted(f"{model.__name__}.{key}" for model, key in fields - {(model, key) for model in models for key, _ in planted(model)})

    assert len(fields) > 1500
    assert right == [
        *("ChatChoice.logprobs", "ChunkChoice.logprobs", "CompletionChoice.logprobs", "ErrorBody.detail", "McpExecutionError.content"),
        *("McpToolDescription.annotations", "McpToolDescription.input_schema", "ReasoningSummaryDelta.delta", "ToolResultBlock.content"),
        *("ToolSearchCall.arguments", "ToolSearchTool.parameters", "ToolUseBlock.input"),
    ]
