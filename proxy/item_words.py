"""Items in words: a title, and what they say. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .chains.linked import kind_of_item

_TEXT_IN = ("text", "refusal", "transcript")
_SAYING = ("arguments", "input", "action", "actions", "operation", "queries", "code", "query", "tools", "result", "outputs", "results")
_OWN = frozenset(("type", "id", "status", "role", "call_id", "name", "namespace", "caller", "created_by"))
_LONG_DATA = 64  # characters of what is no text


def title(item: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Who speaks, or what is called. `names`: of the calls by their call_id, to say of outputs whose they are."""
    kind, call = kind_of_item(item), _text(item.get("call_id"))
    if kind == "message":
        return " ".join(filter(None, (_text(item.get("role")) or "message", _text(item.get("phase")))))
    name = ".".join(filter(None, (_text(item.get("namespace") or item.get("server_label")), _text(item.get("name")))))
    if kind.endswith("_output"):
        return " ".join(filter(None, (kind, "of" if name or call else "", name or names.get(call, ""), f"({call})" if call else "")))
    return " ".join(filter(None, (kind, name, f"({call})" if call else "")))


def name_of_call(item: Mapping[str, Any]) -> tuple[str, str] | None:
    """The call_id of a call and its name; None: it is none."""
    call, name = _text(item.get("call_id")), _text(item.get("name"))
    return (call, name) if call and name and not kind_of_item(item).endswith("_output") else None


def words(item: Mapping[str, Any]) -> str:
    """What it says; a line break where it has one. Data that nobody can read is given by its size."""
    kind = kind_of_item(item)
    said = [_plain(item[name]) for name in ("content", "summary") if item.get(name)]
    if kind in ("reasoning", "compaction") and (sealed := item.get("encrypted_content")):
        said.append(f"({len(str(sealed)):,} characters, encrypted)")
    if kind == "item_reference":
        return f"{_text(item.get('id'))} (not in the store)"
    if kind == "image_generation_call" and isinstance(item.get("result"), str):
        return "\n".join(filter(None, (_text(item.get("revised_prompt")), f"[image, {len(item['result']):,} characters]")))
    said += [_plain(item[name]) for name in _SAYING if item.get(name)]
    if calls := item.get("tool_calls"):
        said += [_called(call) for call in calls] if isinstance(calls, list) else [_plain(calls)]
    said += [_plain(item[name]) for name in ("output", "error") if item.get(name)]
    if not said and kind not in ("reasoning", "message"):
        rest = {name: value for name, value in item.items() if name not in _OWN and value not in (None, [], {}, "")}
        return _json(rest) if rest else ""
    return "\n".join(filter(None, said))


def _called(call: Any) -> str:
    """A call in a message of a chat."""
    function = call.get("function") or call.get("custom") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return _plain(call)
    return f"calls {function.get('name')} ({call.get('id')}) {function.get('arguments') or function.get('input') or ''}"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        inner = [_plain(one) for one in value]
        return "\n".join(filter(None, inner))
    if not isinstance(value, dict):
        return "" if value is None else json.dumps(value)
    for name in _TEXT_IN:
        if isinstance(text := value.get(name), str):
            return text
    return _part(value)


def _part(part: Mapping[str, Any]) -> str:
    """What is no text: an image, a file, the call of a tool, any object."""
    kind = _text(part.get("type"))
    if kind in ("tool_use", "server_tool_use"):
        return f"calls {part.get('name')} ({part.get('id')}) {_json(part.get('input'))}"
    if kind == "tool_result":
        return f"result of {part.get('tool_use_id')}\n{_plain(part.get('content'))}"
    if kind.removeprefix("input_") in ("image", "image_url", "file", "audio", "input_audio") or kind == "computer_screenshot":
        facts = [_short(value) for name, value in part.items() if name not in ("type", "detail") and value]
        return f"[{' '.join([kind.removeprefix('input_'), *facts])}]"
    return _json({name: value for name, value in part.items() if value not in (None, [], {})})


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else _json(value)
    if text.startswith("data:"):
        return f"{text[5:].partition(';')[0]}, {len(text):,} characters"
    return text if len(text) <= _LONG_DATA else f"{text[: _LONG_DATA - 3]}..., {len(text):,} characters"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
