"""Sample JSON of each type of the installed `openai` package: all fields filled, and each alternative of a field in turn.

`PYTHONPATH=.editable:tests python -m tests.samples | gzip -n > FILE`, where another version is installed, writes those of that version.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import openai

from conformance import ROOTS, is_model, their, their_fields, their_models

SCALARS: tuple[tuple[Any, Any], ...] = ((str, "text"), (bool, True), (int, 1), (float, 0.5), (object, {"any": [1]}))
LITERALS = 3  # of a field: whether all are known is for the conformance test


def samples(annotation: Any, depth: int = 0) -> list[Any]:
    """JSON values of a type: of a model all at the top, and one further down."""
    annotation = getattr(annotation, "__value__", annotation)
    arguments = get_args(annotation)
    if is_model(annotation):
        return objects(annotation, depth)
    if hasattr(annotation, "__metadata__"):
        return samples(arguments[0], depth)
    if get_origin(annotation) is Literal:
        return list(arguments)[:LITERALS]
    if get_origin(annotation) in (Union, types.UnionType):
        return [value for argument in arguments if argument is not type(None) for value in samples(argument, depth)]
    if get_origin(annotation) is dict:
        return [{"key": samples(arguments[1], depth)[0]}]
    if isinstance(get_origin(annotation), type) and arguments:  # lists, iterables
        return [samples(arguments[0], depth) if depth < 2 else samples(arguments[0], depth)[:1]]
    if arguments:  # Required
        return samples(arguments[0], depth)
    return [value for type_, value in SCALARS if annotation is type_] or [{"any": [1]}]


def objects(model: Any, depth: int) -> list[Any]:
    options = {key: samples(annotation, depth + 1) for key, annotation in their_fields(model).items()}
    count = 1 if depth else max(map(len, options.values()), default=1)
    return [{key: values[turn % len(values)] for key, values in options.items()} for turn in range(count)]


def of_roots() -> Iterator[tuple[str, Any]]:
    """Samples of all that is compared, by root; each once."""
    seen = set()
    for path, _ in ROOTS:
        for model in their_models(their(path)):
            for sample in samples(model):
                if (text := json.dumps(sample)) not in seen:
                    seen.add(text)
                    yield path, sample


if __name__ == "__main__":
    print(json.dumps({"openai": openai.__version__}))
    for each in of_roots():
        print(json.dumps(each, separators=(",", ":")))
