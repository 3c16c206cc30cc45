"""The wire models against the types of the installed `openai` package, both ways: what either has that the other lacks.

`python -m tests.conformance` prints it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import openai
import typing_extensions
from pydantic import BaseModel

from playhead.proxy.models import actions, conversations, errors, events, items, requests, responses, ws_events
from playhead.proxy.models.content import InputAudio
from playhead.proxy.models.tagged import Unknown, tags
from playhead.proxy.models.wire import OneOf, Presence, UndeclaredModel, Wire

ROOTS: tuple[tuple[str, Any], ...] = (
    ("responses.Response", responses.Response),
    ("responses.CompactedResponse", responses.CompactedResponse),
    ("responses.InputTokenCountResponse", responses.InputTokenCount),
    ("responses.ResponseItemList", responses.ItemList),
    ("responses.ResponseInputAudio", InputAudio),
    ("responses.response_input_audio_param.ResponseInputAudioParam", InputAudio),
    ("responses.computer_action_param.ComputerActionParam", actions.ComputerAction),
    ("responses.ResponseStreamEvent", events.StreamEvent),
    ("responses.ResponsesServerEvent", ws_events.ServerEvent),
    ("responses.ResponsesClientEvent", requests.ClientEvent),
    ("responses.ResponsesClientEventParam", requests.ClientEvent),
    ("responses.ResponseOutputItem", items.Item),
    ("responses.ResponseItem", items.Item),
    ("responses.ResponseInputItem", items.Item),
    ("responses.ResponseInputItemParam", items.Item),
    ("responses.response_create_params.ResponseCreateParamsStreaming", requests.CreateBody),
    ("responses.response_create_params.ResponseCreateParamsNonStreaming", requests.CreateBody),
    ("responses.ResponseCompactParams", requests.CompactBody),
    ("responses.InputTokenCountParams", requests.InputTokensBody),
    ("shared.ErrorObject", errors.ErrorObject),
    ("conversations.Conversation", conversations.Conversation),
    ("conversations.ConversationItem", items.Item),
    ("conversations.ConversationItemList", responses.ItemList),
    ("conversations.ConversationDeletedResource", responses.Deleted),
    ("conversations.ConversationCreateParams", conversations.ConversationBody),
    ("conversations.ConversationUpdateParams", conversations.ConversationBody),
    ("conversations.item_create_params.ItemCreateParams", conversations.ItemsBody),
    ("beta.BetaResponse", responses.Response),
    ("beta.BetaCompactedResponse", responses.CompactedResponse),
    ("beta.BetaResponseStreamEvent", events.StreamEvent),
    ("beta.BetaResponsesServerEvent", ws_events.ServerEvent),
    ("beta.BetaResponsesClientEvent", requests.ClientEvent),
    ("beta.BetaResponsesClientEventParam", requests.ClientEvent),
    ("beta.BetaResponseOutputItem", items.Item),
    ("beta.BetaResponseItem", items.Item),
    ("beta.BetaResponseInputItem", items.Item),
    ("beta.BetaResponseInputItemParam", items.Item),
    ("beta.response_compact_params.ResponseCompactParams", requests.CompactBody),
    ("beta.responses.BetaResponseItemList", responses.ItemList),
    ("beta.responses.InputTokenCountResponse", responses.InputTokenCount),
    ("beta.responses.input_token_count_params.InputTokenCountParams", requests.InputTokensBody),
    ("beta.response_create_params.ResponseCreateParamsStreaming", requests.CreateBody),
    ("beta.response_create_params.ResponseCreateParamsNonStreaming", requests.CreateBody),
)
"""What is compared, with all that it consists of."""
OURS = tuple(ours for _, ours in ROOTS)

ALLOWED: tuple[tuple[str, str], ...] = (
    ("*Body.betas", "the SDK sends it as the header openai-beta"),
    ("ItemsBody.include", "the SDK sends it in the query"),
    ("Deleted.object: *", "the SDK types only the deletion of a conversation; that of a response is in OpenAI's own description, and in captures"),
)
"""Differences that are meant, and why."""


PACKAGES = ("responses", "conversations", "beta", "beta.responses")
NOT_OF_THE_WIRE = (
    *("*RetrieveParams*", "*ItemListParams"),  # queries
    *("Parsed*", "_*", "*ParamsBase"),  # Python's own
)
"""Classes that describe no JSON that is sent."""


@dataclass
class Comparison:
    """Two sets of types side by side, the package's as far as they have been walked."""

    lacking: set[str] = field(default_factory=set)
    """What the package has and our models have not."""
    fields: dict[type[Wire], set[str]] = field(default_factory=lambda: defaultdict(set))
    """Keys that the package has, for each of our models."""
    values: dict[tuple[type[Wire], str], set[str]] = field(default_factory=lambda: defaultdict(set))
    types: dict[type[Wire], set[str]] = field(default_factory=lambda: defaultdict(set))
    seen: set[tuple[Any, type[Wire]]] = field(default_factory=set)

    def walk(self, theirs: Any, ours: Any, path: str) -> None:
        """Compare an annotation of the package with one of ours."""
        candidates = models_in(ours)
        for model in their_models(theirs):
            match = counterpart(model, candidates)
            if match is None:
                self.lacking.add(f"{path}: {model.__name__}{sorted(their_tags(model))}")
            else:
                self._model(model, match)

    def _model(self, theirs: Any, ours: type[Wire]) -> None:
        if (theirs, ours) in self.seen:
            return
        if issubclass(ours, UndeclaredModel):
            self.lacking.add(f"{ours.__name__}: declared by now")
        self.seen.add((theirs, ours))
        self.types[ours] |= their_tags(theirs)
        known = {info.alias or name: info for name, info in ours.model_fields.items()}
        for key, annotation in their_fields(theirs).items():
            path = f"{ours.__name__}.{key}"
            self.fields[ours].add(key)
            if key not in known:
                self.lacking.add(path)
                continue
            if known[key].metadata[-1:] == [Presence.UNDECLARED]:
                self.lacking.add(f"{path}: declared by now")
            self._values(annotation, ours, key)
            self.walk(annotation, known[key].annotation, path)

    def _values(self, annotation: Any, ours: type[Wire], key: str) -> None:
        known = our_values(ours, key)
        theirs = set(literals(annotation))
        self.values[ours, key] |= theirs
        if known or not is_open(annotation):
            self.lacking |= {f"{ours.__name__}.{key}: {value!r}" for value in theirs - known}

    def beyond(self, roots: Iterable[Any]) -> set[str]:
        """What our models have and the package has not, as far as they do not say so themselves."""
        found = set()
        for model in reachable(roots):
            name = model.__name__
            if issubclass(model, UndeclaredModel):
                continue
            found |= {f"{name}: type {tag!r}" for tag in set(tags_or_none(model)) - self.types[model]}
            for field_name, info in model.model_fields.items():
                key = info.alias or field_name
                if Presence.UNDECLARED in info.metadata:
                    continue
                if key not in self.fields[model]:
                    found.add(f"{name}.{key}")
                found |= {f"{name}.{key}: {value!r}" for value in our_values(model, key) - self.values[model, key] - older_values(model, key)}
        return found

    def not_walked(self) -> set[str]:
        """Classes of the package that the roots do not lead to."""
        walked = {theirs for theirs, _ in self.seen}
        return {
            f"{module.__name__}.{name} is not compared"
            for module in their_modules()
            for name, model in vars(module).items()
            if is_model(model) and model.__module__ == module.__name__ and model not in walked and not matches(name, NOT_OF_THE_WIRE)
        }


def compare() -> Comparison:
    """The installed package against our models."""
    comparison = Comparison()
    for path, ours in ROOTS:
        theirs = their(path)
        if theirs is None:
            comparison.lacking.add(f"openai.types.{path} is gone")
        else:
            comparison.walk(theirs, ours, path)
    return comparison


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def not_allowed(differences: Iterable[str]) -> list[str]:
    """The differences that nobody meant."""
    return sorted(each for each in differences if not matches(each, [pattern for pattern, _ in ALLOWED]))


# The package's types: pydantic models, typed dicts, and unions of them.


def their(path: str) -> Any:
    """A type of the package; None if this version has none of that name."""
    module, _, name = f"openai.types.{path}".rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        return None


def their_modules() -> Iterator[ModuleType]:
    """Those of the Responses family. Those of older betas, which lie beside it, are another API's."""
    for package in PACKAGES:
        found = importlib.import_module(f"openai.types.{package}")
        for info in pkgutil.iter_modules(found.__path__, found.__name__ + "."):
            name = info.name.rpartition(".")[2]
            if package != "beta" or name.startswith(("beta_", "response_")):
                yield importlib.import_module(info.name)


def is_model(type_: Any) -> bool:
    return isinstance(type_, type) and (issubclass(type_, BaseModel) or typing_extensions.is_typeddict(type_))


def leaves(annotation: Any) -> Iterator[Any]:
    """What an annotation consists of, through unions, lists, maps and marks; literals as such."""
    annotation = getattr(annotation, "__value__", annotation)
    if get_origin(annotation) is Literal or not get_args(annotation) or is_model(annotation):
        yield annotation
        return
    arguments = get_args(annotation)
    for argument in arguments[:1] if hasattr(annotation, "__metadata__") else arguments:
        yield from leaves(argument)


def their_models(annotation: Any) -> list[Any]:
    return [leaf for leaf in leaves(annotation) if is_model(leaf)]


def their_fields(model: Any) -> dict[str, Any]:
    """Annotations by the keys on the wire."""
    if issubclass(model, BaseModel):
        return {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    return typing_extensions.get_type_hints(model)


def their_tags(model: Any) -> set[str]:
    return set(literals(their_fields(model).get("type")))


def literals(annotation: Any) -> Iterator[str]:
    for leaf in leaves(annotation):
        if get_origin(leaf) is Literal:
            yield from (value for value in get_args(leaf) if isinstance(value, str))


def is_open(annotation: Any) -> bool:
    """Whether it admits any text beside the values it names."""
    return any(leaf is str for leaf in leaves(annotation))


# Our types.


def models_in(annotation: Any) -> list[type[Wire]]:
    return [leaf for leaf in leaves(annotation) if isinstance(leaf, type) and issubclass(leaf, Wire) and not issubclass(leaf, Unknown)]


def tags_or_none(model: type[Wire]) -> tuple[str, ...]:
    return tags(model) if "type" in model.model_fields else ()


def counterpart(theirs: Any, ours: list[type[Wire]]) -> type[Wire] | None:
    """Ours of that type; or the one that has none."""
    wanted = their_tags(theirs)
    tagged = [model for model in ours if wanted & set(tags_or_none(model))]
    untagged = [model for model in ours if not tags_or_none(model)]
    return next(iter([*tagged, *untagged]), None)


def marks(annotation: Any) -> Iterator[OneOf]:
    annotation = getattr(annotation, "__value__", annotation)
    yield from (mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, OneOf))
    if not is_model(annotation):
        for argument in get_args(annotation):
            yield from marks(argument)


def our_values(model: type[Wire], key: str) -> set[str]:
    return set(literals(annotation_of(model, key))) | {value for mark in marks(annotation_of(model, key)) for value in mark.values + mark.older}


def older_values(model: type[Wire], key: str) -> set[str]:
    return {value for mark in marks(annotation_of(model, key)) for value in mark.older}


def annotation_of(model: type[Wire], key: str) -> Any:
    return next(info.annotation for name, info in model.model_fields.items() if (info.alias or name) == key)


def reachable(roots: Iterable[Any]) -> set[type[Wire]]:
    """All models that these consist of."""
    found: set[type[Wire]] = set()
    open_ = [model for root in roots for model in models_in(root)]
    while open_:
        model = open_.pop()
        if model not in found:
            found.add(model)
            open_ += [inner for info in model.model_fields.values() for inner in models_in(info.annotation)]
    return found


def main() -> None:
    comparison = compare()
    print(f"openai {openai.__version__} has, and our models lack:")
    print(*(not_allowed(comparison.lacking | comparison.not_walked()) or ["nothing"]), sep="\n")
    print("our models have, and it lacks:")
    print(*(not_allowed(comparison.beyond(OURS)) or ["nothing"]), sep="\n")


if __name__ == "__main__":
    main()
