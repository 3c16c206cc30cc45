"""What is said more than once in a cassette stands there once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.formats.json_text import compact
from playhead.proxy.formats.shared_values import Census, Pool, Sharing, lines_of

TOOLS = [{"type": "function", "name": "shell", "description": "Runs a command. " * 20}]


def told(*requests: Any) -> list[dict[str, Any]]:
    """The lines of some request bodies."""
    census = Census()
    for request in requests:
        census.see_request(request)
    sharing = Sharing(census)
    lines: list[dict[str, Any]] = []
    for request in requests:
        value = sharing.request(request)
        lines += [*lines_of(sharing), {"request": value}]
    return lines


def heard(lines: list[dict[str, Any]]) -> list[Any]:
    """The bodies that lines tell of."""
    pool, found, items = Pool(), [], []
    for text in map(compact, lines):
        line = json.loads(text, object_hook=pool.restore)
        if "value" in line:
            pool.add(line["value"], line["is"])
        elif "list" in line:
            items = pool.begin_list(line["list"], line.get("more"))
        elif "item" in line:
            items.append(line["item"])
        else:
            found.append(line["request"])
    return found


def message(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def test_tools_of_every_request_are_written_once() -> None:
    lines = told({"n": 1, "tools": TOOLS}, {"n": 2, "tools": TOOLS})

    assert [line for line in lines if "value" in line] == [{"value": lines[0]["value"], "is": TOOLS}]
    assert [line["request"]["tools"] for line in lines if "request" in line] == [{"@": lines[0]["value"]}] * 2


def test_each_item_of_a_growing_history_is_written_once() -> None:
    history = [message(f"message {number}") for number in range(30)]
    lines = told(*({"input": history[:count]} for count in range(1, 31)))

    assert [line["item"] for line in lines if "item" in line] == history


def test_what_is_said_once_stands_where_it_is_said() -> None:
    assert told({"tools": TOOLS}) == [{"request": {"tools": TOOLS}}]


def test_a_value_with_the_look_of_a_reference_comes_back() -> None:
    odd = {"@": "x", "b": [{"@": "name"}, {"@=": [1]}, {"@": {"@": 1}}, {"@x": TOOLS}], "tools": {"@": TOOLS}}

    assert heard(told(odd, odd, {"@": "name"})) == [odd, odd, {"@": "name"}]


def test_names_follow_from_content_alone() -> None:
    first = [line for line in told({"tools": TOOLS}, {"tools": TOOLS}) if "value" in line]
    second = [line for line in told({"a": "x" * 200}, {"a": "x" * 200}, {"tools": TOOLS}, {"tools": TOOLS}) if line.get("is") == TOOLS]

    assert first == second


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"request":{"@":"abc"}}', "stands nowhere before it"),
        ('{"request":{"@":1}}', "no name"),
        ('{"request":{"@later":1}}', "nothing that this version"),
        ('{"request":{"@=":"x"}}', "nothing that this version"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        json.loads(line, object_hook=Pool().restore)


def test_a_few_lines_that_stand_for_more_than_there_is_are_refused() -> None:
    lines: list[dict[str, Any]] = [{"value": "0", "is": ["x"]}, {"list": "l0"}, {"item": "x"}]
    for number in range(60):
        lines.append({"value": f"{number + 1}", "is": [{"@": f"{number}"}] * 2})
        lines += [{"list": f"l{number + 1}", "more": f"l{number}"}, {"item": {"@": f"l{number}"}}]
    values = [line for line in lines if "value" in line]

    for bomb in (values, [line for line in lines if "value" not in line]):
        with pytest.raises(ValueError, match="what it refers to is more than a body holds"):
            heard(bomb)
    assert heard([*values[:20], {"request": {"@": "1"}}]) == [[["x"], ["x"]]]


def test_a_name_is_given_once() -> None:
    pool = Pool()
    pool.add("a", 1)

    with pytest.raises(ValueError, match="given twice"):
        pool.add("a", 1)


def test_a_list_goes_on_from_a_list() -> None:
    with pytest.raises(ValueError, match="no list"):
        Pool().begin_list("b", "a")


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from([1.0, "a", "b" * 130, "@", "@="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["@", "@=", "k", "input"]), inner, max_size=2),
    max_leaves=12,
)


@given(st.lists(values | st.dictionaries(st.sampled_from(["input", "messages", "x"]), st.lists(values, max_size=5)), max_size=5))
def test_any_bodies_come_back(bodies: list[Any]) -> None:
    assert [compact(body) for body in heard(told(*bodies))] == [compact(body) for body in bodies]
