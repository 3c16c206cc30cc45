"""What all wire models are made of: nothing that came in is lost, nothing makes parsing fail. Pure.

A model is a pydantic model with every field optional, unknown fields kept, and no conversion (`strict`), so that what it holds is what was sent.
Parsing is tried strictly, which nearly all traffic stands; only if that fails is it done again with a schema derived from the same one in which every
place takes anything. A value that does not fit is kept there as it came, and `problems` says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import SchemaValidator, ValidationError

from .lenient import Misfit, json_type, lenient

T = TypeVar("T")
M = TypeVar("M", bound="Wire")
JsonInput = bytes | bytearray | str | dict[str, Any]
"""What the doors take: JSON as it is on the wire, or parsed."""

_DEEPEST = 3  # lists and objects that a field says to be in one another
SOURCE, PROBLEMS = "_source", "_problems"  # beside the fields in a model's __dict__, so that copies have them too


class Presence(Enum):
    """When the protocol says that a field is there."""

    SENT = "always sent"
    NULLABLE = "always sent, may be null"
    OPTIONAL = "may be absent, may be null"
    UNDECLARED = "is sent at times, though the protocol does not know it"


Sent = Annotated[T | None, Presence.SENT]
"""Always sent according to the protocol. None here says that a server left it out all the same."""
Nullable = Annotated[T | None, Presence.NULLABLE]
"""Always sent according to the protocol, and null where it has no value."""
Maybe = Annotated[T | None, Presence.OPTIONAL]
"""Absent or null where the field's doc, or the feature it belongs to, does not apply."""
Undeclared = Annotated[T | None, Presence.UNDECLARED]
"""Seen on the wire, though the protocol does not know it."""
Number = int | float
"""A JSON number that keeps the form it was sent in."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """The values of an enum that are known. It is open: others are taken as they come and are no problem."""

    values: tuple[str, ...]
    older: tuple[str, ...]
    """Those that the protocol no longer has."""

    def __init__(self, *values: str, older: tuple[str, ...] = ()) -> None:
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "older", older)


class Problem(NamedTuple):
    """A value that is not what its field says."""

    path: str
    """Where, as JSON path from the model: `output[0].status`."""
    expected: str
    """The JSON types, or values, that the field takes: `string or null`."""
    found: str
    """The JSON type found, or the value if it is the wrong one of the right type."""


class Wire(BaseModel):
    """One JSON object of the protocol."""

    model_config = ConfigDict(extra="allow", strict=True, defer_build=True, protected_namespaces=(), serialize_by_alias=True, regex_engine="python-re")

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The values in it, and in the models in it, that do not fit their fields."""
        found: tuple[Problem, ...] = self.__dict__.get(PROBLEMS, ())
        return found

    def to_wire(self) -> Any:
        """The JSON object that the fields say: as it came, keys in their places, if nothing was changed since; new keys come last.

        A fresh dict; values that are no models are not copied.
        """
        return _to_wire(self, _source(self))

    def link(self) -> None:
        """Let the models in it know in which order their own keys came, for when they are written, or put into other models, without it."""
        _link(self, _source(self))


def field(source: Any, name: str) -> Any:
    """What a model, or a JSON object, says under a name, declared or not; None if nothing."""
    if source is None:
        return None
    if source.__class__ is dict:
        return source.get(name)
    try:  # asking whether it is a model would cost more than all the rest
        value = source.__dict__.get(name)
        return source.__pydantic_extra__.get(name) if value is None and source.__pydantic_extra__ else value
    except AttributeError:
        return None


def members(source: Any) -> Mapping[str, Any]:
    """All fields of a model or of a plain object, declared or not, for whoever asks for many: `field` by a look-up each. Not to be changed."""
    try:  # as in `field`
        extra = source.__pydantic_extra__
    except AttributeError:
        return source if isinstance(source, dict) else {}
    return {**extra, **source.__dict__} if extra else source.__dict__


class UndeclaredModel(Wire):
    """What is sent, or once was, though the protocol of today does not know it."""


class Unparsed(Wire):
    """What is no JSON object, given to a door."""

    reason: Literal["no JSON", "nested too deeply", "number too long", "no object"]
    value: Any = None
    """The JSON value if it is one."""

    def to_wire(self) -> Any:
        """The value as it came; None if it is no JSON."""
        return self.value


def _source(model: Wire) -> Any:
    """The JSON value that a model was parsed from; None where it is not known."""
    source = model.__dict__.get(SOURCE)
    return _load(source) if isinstance(source, bytes | bytearray | str) else source


def _to_wire(model: Wire, order: Any) -> Any:
    values, given, extra = model.__dict__, model.__pydantic_fields_set__, model.__pydantic_extra__ or {}
    names = _names(type(model))
    if not isinstance(order, dict):
        order = _source(model) or {}
    out: dict[str, Any] = {}
    for key, came in order.items():
        name = names.get(key)
        if name in given and name in values:
            out[key] = _plain(values[name], came)
        elif key in extra:
            out[key] = _plain(extra[key], came)
        elif name is None and key in type(model).model_fields:  # a foreign `async_` beside our `async`: pydantic 2.13 loses it
            out[key] = came
    for key, name in names.items():
        if name not in given or key in out or name not in values:
            continue
        if name in extra and values[name] is None:  # it is a foreign key of that name that was given
            continue
        out[key] = _plain(values[name], None)
    for key, value in extra.items():
        if key not in out:
            out[key] = _plain(value, None)
    return out


def _plain(value: Any, came: Any) -> Any:
    if isinstance(value, Wire):
        return _to_wire(value, came) if type(value).to_wire is Wire.to_wire else value.to_wire()
    if isinstance(value, list) and any(isinstance(member, Wire) for member in value):
        before = came if isinstance(came, list) else ()
        return [_plain(member, before[at] if at < len(before) else None) for at, member in enumerate(value)]
    if isinstance(value, dict) and any(isinstance(member, Wire) for member in value.values()):
        inner = came if isinstance(came, dict) else {}
        return {key: _plain(member, inner.get(key)) for key, member in value.items()}
    return value


def _link(value: Any, came: Any) -> None:
    if isinstance(value, Wire) and isinstance(came, dict):
        values, keys = value.__dict__, _names(type(value))
        values[SOURCE] = came
        for key, name in keys.items():
            if key in came:
                _link(values.get(name), came[key])
    elif isinstance(value, list) and isinstance(came, list):
        for member, before in zip(value, came, strict=False):
            _link(member, before)
    elif isinstance(value, dict) and isinstance(came, dict):
        for key, member in value.items():
            _link(member, came.get(key))


def _names(model: type[Wire]) -> Mapping[str, str]:
    """Fields by the keys they have on the wire."""
    found: Mapping[str, str] | None = model.__dict__.get("_wire_names")
    if found is None:
        found = {field.alias or name: name for name, field in model.model_fields.items()}
        type.__setattr__(model, "_wire_names", found)
    return found


def _load(text: bytes | bytearray | str) -> Any:
    """Any JSON value. Raises ValueError, RecursionError."""
    return json.loads(text.decode("utf-8-sig", "surrogatepass") if isinstance(text, bytes | bytearray) else text)


# Parsing.


class Door(Generic[M]):
    """Parses one type: a model, or a union of models that are told apart by a discriminator."""

    def __init__(self, type_: Any) -> None:
        self._type = type_

    @cached_property
    def _adapter(self) -> TypeAdapter[M]:
        adapter: TypeAdapter[M] = TypeAdapter(self._type)
        adapter.rebuild()
        return adapter

    @cached_property
    def _strict(self) -> SchemaValidator:
        return SchemaValidator(self._adapter.core_schema)

    @cached_property
    def _lenient(self) -> SchemaValidator:
        return SchemaValidator(lenient(self._adapter.core_schema), _use_prebuilt=False)  # or it takes the strict ones of the models inside

    def __call__(self, data: JsonInput) -> M | Unparsed:
        """The model. Never raises for what `data` holds."""
        try:
            model: M = self._strict.validate_python(data) if isinstance(data, dict) else self._strict.validate_json(data)
        except ValidationError:
            return self._parse_leniently(data)
        model.__dict__[SOURCE] = data
        return model

    def many(self, texts: Iterable[bytes]) -> list[M | Unparsed]:
        """As one after the other, but cheaper. Not by joining them: a text that is no JSON could borrow from its neighbours what it lacks."""
        models: list[M | Unparsed] = []
        validate = self._strict.validate_json
        for text in texts:
            try:
                model: M = validate(text)
            except ValidationError:
                models.append(self._parse_leniently(text))
            else:
                model.__dict__[SOURCE] = text
                models.append(model)
        return models

    def _parse_leniently(self, data: JsonInput) -> M | Unparsed:
        if not isinstance(data, dict):
            try:
                loaded = _load(data)
            except RecursionError:
                return Unparsed(reason="nested too deeply")
            except (json.JSONDecodeError, UnicodeDecodeError):
                return Unparsed(reason="no JSON")
            except ValueError:  # Python reads no integer of more than 4300 digits
                return Unparsed(reason="number too long")
            if not isinstance(loaded, dict):
                return Unparsed(reason="no object", value=loaded)
            data = loaded
        model = self._validate_leniently(data)
        _settle(model)
        model.__dict__[SOURCE] = data
        return model

    def _validate_leniently(self, data: dict[str, Any]) -> M:
        try:
            model: M = self._lenient.validate_python(data)
        except ValidationError:  # a key with half a surrogate pair
            sound = {key: value for key, value in data.items() if _is_text(key)}
            model = self._lenient.validate_python(sound)
            assert model.__pydantic_extra__ is not None  # since extra="allow"
            model.__pydantic_extra__ |= {key: value for key, value in data.items() if key not in sound}
        return model


def _is_text(key: str) -> bool:
    return isinstance(key, str) and not any("\ud800" <= sign <= "\udfff" for sign in key)


def _settle(model: Wire) -> tuple[Problem, ...]:
    """Take the misfits out of a model that was parsed leniently, and tell each model of its own."""
    problems: list[Problem] = []
    values, keys = model.__dict__, {name: key for key, name in _names(type(model)).items()}
    for name, value in values.items():
        key = keys.get(name, name)
        if isinstance(value, Misfit):
            values[name] = value.value
            problems.append(_problem(key, value))
        elif isinstance(value, Wire):
            problems += (Problem(f"{key}.{path}", wanted, found) for path, wanted, found in _settle(value))
        elif isinstance(value, list | dict):
            problems += _settle_members(value, key)
    if problems:
        values[PROBLEMS] = tuple(problems)
    return tuple(problems)


def _settle_members(value: Any, path: str, deep: int = 1) -> Iterator[Problem]:
    """Of a list or an object, and of those in it."""
    listed = isinstance(value, list)
    for at, member in [*(enumerate(value) if listed else value.items())]:
        place = f"{path}[{at}]" if listed else f"{path}.{at}"
        if isinstance(member, Misfit):
            value[at] = member.value
            yield _problem(place, member)
        elif isinstance(member, Wire):
            yield from (Problem(f"{place}.{inner}", wanted, found) for inner, wanted, found in _settle(member))
        elif isinstance(member, list | dict) and deep < _DEEPEST:  # what is deeper is anything, and may be very deep
            yield from _settle_members(member, place, deep + 1)


def _problem(path: str, misfit: Misfit) -> Problem:
    found = json_type(misfit.value)
    if found == "object" and "object" in misfit.expected:
        found = "object with a key that is no text"
    return Problem(path, misfit.expected, repr(misfit.value[:40]) if found == "string" and "'" in misfit.expected else found)
