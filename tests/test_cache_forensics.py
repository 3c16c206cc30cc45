"""What is found out about the prompt cache: which turn goes on from which, what broke its beginning, and what that cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playhead.proxy.caching.forensics import Total
from prompted import SECOND, Talk, text, tool, user

INSTRUCTIONS = text(2000, "You are an agent. ")
TOOLS = [tool("shell", text(300)), tool("search", text(300))]
BASE: dict[str, Any] = {"model": "m", "tools": TOOLS, "instructions": INSTRUCTIONS}


def request(*items: Any, **changes: Any) -> dict[str, Any]:
    return {**BASE, "input": list(items), **changes}


def call(name: str, output: str) -> list[dict[str, Any]]:
    return [
        {"type": "function_call", "call_id": name, "name": "shell", "arguments": '{"command": "ls"}'},
        {"type": "function_call_output", "call_id": name, "output": output},
    ]


OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": "m2"}),
    ("tier", {"tier": "flex"}),
    ("key", {"key_id": "k2"}),
    ("cache_key", {"billing": {"labels": {"prompt_cache_key": "x"}}}),
    ("expired", {"started_at_ns": 7200 * SECOND}),
    ("expired", {"started_at_ns": 900 * SECOND}),
    ("early", {"started_at_ns": 10 * SECOND + 1}),
    ("missed", {"started_at_ns": 200 * SECOND}),
]


FIRST = user(text(500, "Fix the bug. "))
STEP = call("call_1", text(400))
NEXT = call("call_2", text(400))


def talked(*bodies: dict[str, Any], **changes: Any) -> tuple[Talk, str]:
    """Turns of which only the last one may miss the cache: what became of it."""
    talk, before = Talk(), 0
    for body in bodies[:-1]:
        talk.say(body, cached=before // 128 * 128)
        before = len(json.dumps(body)) // 4
    return talk, talk.say(bodies[-1], **changes)


def test_a_first_turn_goes_on_from_nothing() -> None:
    assert talked(request(FIRST))[1] == "begins"


def test_a_turn_that_was_cached_as_far_as_could_be_is_held() -> None:
    talk = Talk()
    talk.say(request(FIRST), tokens=3100)

    assert talk.say(request(FIRST, *STEP), tokens=3600, cached=3072) == "held"
    assert talk.forensics.dearest == []


def test_a_beginning_that_is_the_same_and_was_not_cached_was_missed() -> None:
    talk = Talk()
    talk.say(request(FIRST), tokens=3100)

    assert talk.say(request(FIRST, *STEP), tokens=3600, cached=1024) == "missed"
    worst = talk.worst
    assert (worst.earlier.id, worst.turn.id, worst.judged.reach, worst.judged.lost, worst.judged.estimated) == (1, 2, 3072, 2048, False)
    assert (worst.judged.common, worst.parts) == (3100, 4)


CHANGES = [
    ("tool_schema", "$.tools[1].description", request(FIRST, *STEP, *NEXT, tools=[TOOLS[0], tool("search", text(299))])),
    ("tool_schema", "$.tools[2]", request(FIRST, *STEP, *NEXT, tools=[*TOOLS, tool("new")])),
    ("tool_schema", "$.tools[1]", request(FIRST, *STEP, *NEXT, tools=TOOLS[:1])),
    ("tool_schema", "$.tools[0].name", request(FIRST, *STEP, *NEXT, tools=TOOLS[::-1])),
    ("prompt", "$.instructions", request(FIRST, *STEP, *NEXT, instructions=INSTRUCTIONS + "Be brief.")),
    ("prompt", "$.input[0].content", request(user("Do something else."), *STEP, *NEXT)),
    ("tool_result", "$.input[2].output", request(FIRST, STEP[0], {**STEP[1], "output": "[shortened]"}, *NEXT)),
    ("history", "$.input[1].arguments", request(FIRST, {**STEP[0], "arguments": "{}"}, STEP[1], *NEXT)),
    ("parameter", "$.reasoning.effort", request(FIRST, *STEP, *NEXT, reasoning={"effort": "high"})),
    ("removed", "$.input[0]", request(*STEP, *NEXT)),
    ("order", "$.input[0]", request(user("A new first item."), FIRST, *STEP, *NEXT)),
    ("compacted", "$.input[0]", request({"type": "compaction", "encrypted_content": "x"}, *STEP, *NEXT)),
    ("member_order", "$.input[1]", request(FIRST, dict(reversed(STEP[0].items())), STEP[1], *NEXT)),
]


@pytest.mark.parametrize(("cause", "path", "body"), CHANGES, ids=[f"{cause}-{path}" for cause, path, _ in CHANGES])
def test_what_broke_the_beginning_is_named_with_its_place(cause: str, path: str, body: dict[str, Any]) -> None:
    talk, found = talked(request(FIRST), request(FIRST, *STEP, *NEXT), body)

    assert found == cause
    assert talk.worst.broke is not None
    assert talk.worst.broke.path == path
    assert talk.worst.earlier.id == 2


@pytest.mark.parametrize(
    ("was", "now", "pattern"),
    [
        ("Now it is 2026-11-26T06:30:01Z.", "Now it is 2026-11-26T06:31:07Z.", "timestamp"),
        ("Run 0b7e1a52-5d10-4a94-9c4e-6f3f3b0b2d11.", "Run 9d4f1c1e-77aa-4a6f-8c56-6a2e91a7f9b0.", "uuid"),
        ("Work in /tmp/agent-a1b2.", "Work in /tmp/agent-c3d4.", "tempdir"),
    ],
)
def test_a_value_that_is_new_each_time_is_the_cause_wherever_it_stands(was: str, now: str, pattern: str) -> None:
    talk, found = talked(request(FIRST, instructions=f"{was} {INSTRUCTIONS}"), request(FIRST, *STEP, instructions=f"{now} {INSTRUCTIONS}"))

    assert found == "volatile"
    assert talk.worst.broke is not None
    assert (talk.worst.broke.path, talk.worst.broke.patterns) == ("$.instructions", (pattern,))
    assert was.split()[-1].rstrip(".")[:8] in str(talk.worst.broke.differences[0].recorded)


def test_a_volatile_system_prompt_breaks_conversations_of_one_turn() -> None:
    talk = Talk()
    for minute in range(3):
        body = request(user(f"Question {minute}"), instructions=f"It is 2026-11-26T06:3{minute}:00Z. {INSTRUCTIONS}")
        found = talk.say(body)

    assert found == "volatile"
    assert 1900 < talk.worst.judged.lost < 2900


def test_a_new_conversation_with_the_same_head_may_have_that_from_the_cache() -> None:
    talk, found = talked(request(user("One question")), request(user("Quite another question")), cached=0)

    assert found == "missed"
    assert talk.worst.judged.estimated
    assert 2200 < talk.worst.judged.lost < 2700


@pytest.mark.parametrize("changes", [changes for cause, changes in OTHERS if cause not in ("early", "missed") and changes != {"started_at_ns": 900 * SECOND}])
def test_a_new_conversation_that_could_have_nothing_of_another_one_begins(changes: dict[str, Any]) -> None:
    assert talked(request(user("One question")), request(user("Quite another question")), **changes)[1] == "begins"


def test_a_new_conversation_with_another_head_is_no_break() -> None:
    assert talked(request(FIRST), request(user("Hello"), instructions="Quite another agent. " + text(1500)[::-1], tools=[]))[1] in ("short", "begins", "held")


def test_where_only_whole_prompts_are_kept_the_last_item_may_break_all_of_them() -> None:
    edited = request(FIRST, STEP[0], {**STEP[1], "output": "[shortened]"}, *NEXT)

    assert talked(request(FIRST), request(FIRST, *STEP), edited)[1] == "missed"
    talk = Talk()
    talk.say(request(FIRST, *STEP), tokens=3600, written=3600)
    assert talk.say(edited, tokens=3700, written=3700) == "tool_result"


def test_a_short_prompt_is_not_cached_at_all() -> None:
    small = {"model": "m", "input": [user("Hello")]}

    assert talked(small, {**small, "input": [user("Hello"), user("Again")]})[1] == "short"


@pytest.mark.parametrize(("cause", "changes"), OTHERS)
def test_a_beginning_that_held_may_be_missed_for_other_causes(cause: str, changes: dict[str, Any]) -> None:
    assert talked(request(FIRST), request(FIRST, *STEP), **changes)[1] == cause


def test_keys_of_one_organization_share_a_cache() -> None:
    talk = Talk()
    talk.say(request(FIRST), organization="org")

    assert talk.say(request(FIRST, *STEP), organization="org", key_id="other") == "missed"
    assert talk.say(request(FIRST, *STEP, *NEXT), organization="org2", key_id="other") == "organization"


def test_a_longer_time_may_be_asked_for() -> None:
    day = {"prompt_cache_retention": "24h"}

    assert talked(request(FIRST, **day), request(FIRST, *STEP, **day), started_at_ns=1800 * SECOND)[1] == "missed"


def test_a_break_after_the_cache_is_surely_gone_costs_nothing_more() -> None:
    assert talked(request(FIRST), request(FIRST, *STEP, tools=[]), started_at_ns=90_000 * SECOND)[1] == "expired"


# Chains.


def test_a_turn_that_goes_on_by_id_begins_with_all_that_was_said() -> None:
    talk = Talk()
    talk.say(request(FIRST), tokens=3100, outputs=2)

    assert talk.say(request(user("Go on")), tokens=3300, cached=3072, previous_response_id="resp_1") == "held"
    assert talk.say(request(user("Go on")), tokens=3500, cached=0, previous_response_id="resp_2") == "missed"
    assert (talk.worst.judged.lost, talk.worst.judged.common, talk.worst.parts) == (3200, 3300, 7)


def test_instructions_are_not_inherited() -> None:
    talk = Talk()
    talk.say(request(FIRST), tokens=3100)

    assert talk.say({"model": "m", "tools": TOOLS, "input": "Go on"}, tokens=3100, previous_response_id="resp_1") == "prompt"
    assert talk.worst.broke is not None
    assert (talk.worst.broke.path, talk.worst.judged.lost) == ("$.instructions", 3072)


def test_a_successor_of_a_steer_goes_on_with_what_stood_in_front() -> None:
    talk = Talk()
    talk.say(request(FIRST), tokens=3100)

    assert talk.say(None, tokens=3300, steer="steer_1", previous_response_id="resp_1", transport="ws", turn=True) == "missed"
    assert talk.say(request(user("Go on")), tokens=3500, cached=3200, previous_response_id="resp_2") == "held"


def test_a_chain_that_lost_something_of_its_context_is_no_miss() -> None:
    talk = Talk()
    talk.say(request(FIRST), tokens=30_000)

    assert talk.say(request(user("Go on")), tokens=5_000, previous_response_id="resp_1") == "removed"
    assert talk.forensics.dearest == []


def test_a_chain_whose_beginning_was_not_recorded_begins() -> None:
    assert Talk().say(request(user("Go on")), previous_response_id="resp_gone") == "begins"


def test_a_conversation_goes_on_from_its_last_turn() -> None:
    talk = Talk()
    talk.say(request(FIRST), tokens=3100, conversation="conv_1")
    talk.say(request(FIRST), tokens=3100, conversation="conv_2")

    talk.say(request(user("Go on")), tokens=3300, conversation="conv_1")
    assert (talk.worst.earlier.id, talk.worst.judged.lost) == (1, 3072)


def test_conversations_that_go_on_side_by_side_are_told_apart() -> None:
    talk = Talk()
    one, other = user(text(500, "One. ")), user(text(500, "Other. "))
    talk.say(request(one))
    talk.say(request(other))
    talk.say(request(one, *STEP), cached=0)

    assert {finding.turn.id: finding.earlier.id for finding in talk.forensics.dearest}[3] == 1


# Other APIs.


def chat(*messages: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "system", "content": INSTRUCTIONS}, *messages]}


def test_a_chat_completion_is_looked_at_as_well() -> None:
    talk = Talk()
    talk.say(chat(user("Hello")), kind="chat.completions")
    edited = {"model": "m", "messages": [{"role": "system", "content": "It is noon. " + INSTRUCTIONS}, user("Hello"), user("Again")]}

    assert talk.say(edited, kind="chat.completions") == "prompt"
    assert talk.worst.broke is not None
    assert talk.worst.broke.path == "$.messages[0].content"


def marked(content: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content, "cache_control": {"type": "ephemeral"}}]


def messages(*said: Any, system: Any = None) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "system": system if system is not None else marked(INSTRUCTIONS), "messages": list(said), "max_tokens": 100}


ANTHROPIC: dict[str, Any] = {"kind": "messages", "path": "/v1/messages", "model": "claude-sonnet-4-5", "upstream": "https://api.anthropic.com"}


def test_marks_that_move_on_break_nothing() -> None:
    talk = Talk()
    talk.say(messages({"role": "user", "content": marked("Hello")}), written=2010, tokens=2020, **ANTHROPIC)
    found = talk.say(messages(user("Hello"), {"role": "user", "content": marked("Again")}), cached=2010, tokens=2040, **ANTHROPIC)

    assert found == "held"


def test_what_was_written_to_the_cache_can_be_read_from_it() -> None:
    talk = Talk()
    talk.say(messages(user("Hello")), written=2010, tokens=2020, **ANTHROPIC)

    assert talk.say(messages(user("Hello"), user("Again")), written=2020, tokens=2040, **ANTHROPIC) == "missed"
    assert (talk.worst.judged.reach, talk.worst.judged.lost, talk.worst.judged.estimated) == (2010, 2010, False)


def test_a_conversation_without_marks_is_told_to_mark_something() -> None:
    talk = Talk()
    talk.say(messages(user("Hello"), system=INSTRUCTIONS), tokens=2020, **ANTHROPIC)

    assert talk.say(messages(user("Hello"), user("Again"), system=INSTRUCTIONS), tokens=2040, **ANTHROPIC) == "unmarked"
    assert talk.worst.judged.lost == 2020


def test_a_cache_of_five_minutes_expires() -> None:
    talk = Talk()
    talk.say(messages(user("Hello")), written=2010, tokens=2020, **ANTHROPIC)
    body = messages(user("Hello"), user("Again"))

    assert talk.say(body, written=2020, tokens=2040, started_at_ns=400 * SECOND, **ANTHROPIC) == "expired"


# Sums.


def test_turns_are_summed_up_by_cause() -> None:
    talk = Talk()
    talk.say(request(FIRST), tokens=3100)
    talk.say(request(FIRST, *STEP), tokens=3600, cached=3072)
    talk.say(request(FIRST, *STEP, *NEXT), tokens=4000, cached=0)

    assert talk.forensics.totals == {"begins": Total(1), "held": Total(1), "missed": Total(1, 3584, 3584)}


def test_only_so_many_of_the_dearest_are_kept() -> None:
    talk = Talk(most=2)
    talk.say(request(FIRST), tokens=3100)
    for number in range(1, 6):
        talk.say(request(FIRST, *[user(str(each)) for each in range(number)]), tokens=3100 + 200 * number)

    assert [finding.turn.id for finding in talk.forensics.dearest] == [6, 5]


def test_a_request_that_cannot_be_read_is_counted() -> None:
    talk = Talk()

    assert talk.say(None, tokens=100) == "unread"
    assert talk.forensics.unread == 1


def test_a_body_is_read_again_only_where_it_is_laid_beside_another() -> None:
    talk = Talk()
    talk.say(request(FIRST))
    turn, raw = talk.turns[1]
    talk.turns[2] = turn._replace(id=2, response_id="resp_2"), raw
    talk.read.clear()
    talk.forensics.look(talk.turns[2][0], talk.body(talk.turns[2][0]))

    assert talk.read == [2]
    assert json.loads(raw or b"")["model"] == "m"
