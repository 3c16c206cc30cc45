"""What a computer, a browser, a shell or an editor is told to do by a call."""

from __future__ import annotations

from typing import Annotated, Literal

from .tagged import Tagged, Unknown
from .wire import Maybe, Nullable, OneOf, Sent, UndeclaredModel, Wire

# Computer actions. Coordinates are pixels of the display, `keys` those that are held down meanwhile.


class Point(Wire):
    x: Sent[int] = None
    y: Sent[int] = None


class Click(Wire):
    type: Literal["click"]
    button: Sent[Annotated[str, OneOf("left", "right", "wheel", "back", "forward")]] = None
    x: Sent[int] = None
    y: Sent[int] = None
    keys: Maybe[list[str]] = None


class DoubleClick(Wire):
    type: Literal["double_click"]
    keys: Nullable[list[str]] = None
    x: Sent[int] = None
    y: Sent[int] = None


class Drag(Wire):
    type: Literal["drag"]
    path: Sent[list[Point]] = None
    keys: Maybe[list[str]] = None


class Keypress(Wire):
    type: Literal["keypress"]
    keys: Sent[list[str]] = None


class Move(Wire):
    type: Literal["move"]
    x: Sent[int] = None
    y: Sent[int] = None
    keys: Maybe[list[str]] = None


class Screenshot(Wire):
    type: Literal["screenshot"]


class Scroll(Wire):
    type: Literal["scroll"]
    scroll_x: Sent[int] = None
    """Pixels to the right; negative to the left."""
    scroll_y: Sent[int] = None
    """Pixels downwards; negative upwards."""
    x: Sent[int] = None
    y: Sent[int] = None
    keys: Maybe[list[str]] = None


class TypeText(Wire):
    type: Literal["type"]
    text: Sent[str] = None


class Wait(Wire):
    type: Literal["wait"]


class UnknownComputerAction(Unknown):
    """A computer action of another type."""


ComputerAction = Annotated[
    Click | DoubleClick | Drag | Keypress | Move | Screenshot | Scroll | TypeText | Wait | UnknownComputerAction,
    Tagged(),
]


# Web search actions. Only `search` is billed.


class SearchSource(Wire):
    type: Sent[Annotated[str, OneOf("url")]] = None
    url: Sent[str] = None


class Search(Wire):
    type: Literal["search"]
    queries: Maybe[list[str]] = None
    query: Maybe[str] = None
    """The first of `queries`; the only one before there were several."""
    sources: Maybe[list[SearchSource]] = None
    """Only where `include` asked for them."""


class OpenPage(Wire):
    type: Literal["open_page"]
    url: Maybe[str] = None


class FindInPage(Wire):
    type: Literal["find_in_page"]
    pattern: Sent[str] = None
    url: Sent[str] = None


class Find(UndeclaredModel):
    """The name of `find_in_page` in 2025."""

    type: Literal["find"]
    pattern: Sent[str] = None
    url: Sent[str] = None


class UnknownWebSearchAction(Unknown):
    """A web search action of another type."""


WebSearchAction = Annotated[Search | OpenPage | FindInPage | Find | UnknownWebSearchAction, Tagged()]


# Shells.


class ShellAction(Wire):
    commands: Sent[list[str]] = None
    """To be run one after the other."""
    max_output_length: Maybe[int] = None
    """Characters of output, over all commands."""
    timeout_ms: Maybe[int] = None


class LocalShellAction(Wire):
    type: Sent[Annotated[str, OneOf("exec")]] = None
    command: Sent[list[str]] = None
    env: Sent[dict[str, str]] = None
    """May hold secrets."""
    timeout_ms: Maybe[int] = None
    user: Maybe[str] = None
    working_directory: Maybe[str] = None


# Patches. `diff` is in the V4A format.


class CreateFile(Wire):
    type: Literal["create_file"]
    diff: Sent[str] = None
    path: Sent[str] = None


class DeleteFile(Wire):
    type: Literal["delete_file"]
    path: Sent[str] = None


class UpdateFile(Wire):
    type: Literal["update_file"]
    diff: Sent[str] = None
    path: Sent[str] = None


class UnknownOperation(Unknown):
    """An operation on files of another type."""


PatchOperation = Annotated[CreateFile | DeleteFile | UpdateFile | UnknownOperation, Tagged()]
