"""What a model saw, put together from the exchanges that a request is linked to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chained import START, Kept, spoken, user
from playhead.proxy.chains.context import Context, as_input, context_of, expanded
from playhead.proxy.chains.linked import ContextItem, Near
from playhead.proxy.chains.said import Steer


@pytest.fixture
def kept() -> Kept:
    return Kept()


def seen(kept: Kept, id_: int) -> Context:
    found = context_of(kept, id_)
    assert found is not None
    return found


def words(items: Any) -> list[str]:
    """Each item as exchange, part and text."""
    return [f"{one.exchange} {one.part} {text_of(one.item)}" for one in items]


def text_of(item: dict[str, Any]) -> str:
    content = item.get("content")
    if isinstance(content, list):
        return str(content[0]["text"])
    return str(content if content is not None else item.get("id") or item.get("call_id") or item["type"])


def lacks(context: Context) -> list[tuple[str, str | None, int | None]]:
    return [(lack.what, lack.id, lack.exchange) for lack in context.missing]


def test_a_request_alone_is_seen_as_it_was_sent(kept: Kept) -> None:
    kept.add({"instructions": "Be brief.", "input": [user("hi"), user("you")]}, [spoken("Hello")])
    context = seen(kept, 1)

    assert words(context.items) == ["1 instructions Be brief.", "1 input hi", "1 input you"]
    assert words(context.answer) == ["1 output Hello"]
    assert context.whole
    assert not context.missing


def test_an_input_that_is_a_text_is_a_message(kept: Kept) -> None:
    kept.add({"input": "hi"})

    assert seen(kept, 1).items[0].item == user("hi")


def test_a_chain_is_followed_over_all_transports(kept: Kept) -> None:
    kept.add({"input": "one"}, [spoken("eins")])
    kept.add({"input": "two", "previous_response_id": "resp_1"}, [spoken("zwei")], transport="sse")
    kept.turn({"input": "three", "previous_response_id": "resp_2"}, [spoken("drei")])
    kept.turn({"input": "four", "previous_response_id": "resp_3"}, connection=2)

    assert words(seen(kept, 4).items) == ["1 input one", "1 output eins", "2 input two", "2 output zwei", "3 input three", "3 output drei", "4 input four"]


def test_instructions_are_not_inherited(kept: Kept) -> None:
    kept.add({"input": "one", "instructions": "Old."})
    kept.add({"input": "two", "instructions": "New.", "previous_response_id": "resp_1"})
    kept.add({"input": "three", "previous_response_id": "resp_2"})

    assert words(seen(kept, 2).items) == ["2 instructions New.", "1 input one", "2 input two"]
    assert words(seen(kept, 3).items) == ["1 input one", "2 input two", "3 input three"]


def test_the_fork_of_a_chain_sees_its_own_past_only(kept: Kept) -> None:
    kept.add({"input": "root"}, [spoken("r")])
    kept.add({"input": "left", "previous_response_id": "resp_1"}, [spoken("l")])
    kept.add({"input": "right", "previous_response_id": "resp_1"}, [spoken("x")])

    assert words(seen(kept, 3).items) == ["1 input root", "1 output r", "3 input right"]


def test_a_response_that_was_never_recorded_is_missing(kept: Kept) -> None:
    kept.add({"input": "two", "previous_response_id": "resp_x"})
    context = seen(kept, 1)

    assert lacks(context) == [("response", "resp_x", 1)]
    assert not context.whole


def test_a_response_that_was_only_retrieved_lacks_its_input(kept: Kept) -> None:
    kept.add({}, [spoken("late")], method="GET", path="/v1/responses/resp_1")
    kept.add({"input": "go on", "previous_response_id": "resp_1"})
    context = seen(kept, 2)

    assert words(context.items) == ["1 output late", "2 input go on"]
    assert lacks(context) == [("input", "resp_1", 1)]


def test_the_answer_of_a_background_response_is_that_which_was_retrieved(kept: Kept) -> None:
    kept.add({"input": "work", "background": True}, response_status="queued")
    kept.add({}, [spoken("done")], method="GET", path="/v1/responses/resp_1", response_id="resp_1")
    kept.add({"input": "more", "previous_response_id": "resp_1"})
    context = seen(kept, 3)

    assert words(context.items) == ["1 input work", "2 output done", "3 input more"]
    assert context.whole


def test_what_was_retrieved_shows_the_context_of_the_exchange_that_made_it(kept: Kept) -> None:
    kept.add({"input": "work"}, [spoken("done")])
    kept.add({}, [spoken("done")], method="GET", path="/v1/responses/resp_1", response_id="resp_1")
    context = seen(kept, 2)

    assert (context.exchange, words(context.items)) == (1, ["1 input work"])


def test_an_answer_without_an_end_is_told(kept: Kept) -> None:
    kept.add({"input": "one"}, [spoken("ei")], outcome="upstream_closed", response_status="in_progress")
    kept.add({"input": "two", "previous_response_id": "resp_1"})
    context = seen(kept, 2)

    assert words(context.items) == ["1 input one", "1 output ei", "2 input two"]
    assert lacks(context) == [("cut", "resp_1", 1)]


def test_what_cannot_be_read_is_told(kept: Kept) -> None:
    kept.add({}, said={"unread": ("request", "answer")})
    kept.add({"input": "two", "previous_response_id": "resp_1"})

    assert [lack.text for lack in seen(kept, 2).missing] == ["its answer was recorded and cannot be read", "its request was recorded and cannot be read"][::-1]


def test_of_a_socket_that_was_recorded_as_one_exchange_only_the_last_response_is_known(kept: Kept) -> None:
    kept.turn({"input": "last"}, [spoken("the last")], said={"answer": {"id": "resp_last"}}, response_id="resp_first")
    kept.add({"input": "two", "previous_response_id": "resp_first"})
    context = seen(kept, 2)

    assert words(context.items) == ["2 input two"]
    assert lacks(context) == [("unread", None, 1)] * 2


def test_a_chain_that_bites_its_tail_ends(kept: Kept) -> None:
    kept.add({"input": "one", "previous_response_id": "resp_2"})
    kept.add({"input": "two", "previous_response_id": "resp_1"}, started_at=kept.rows[1].started_at)
    kept.add({"input": "three", "previous_response_id": "resp_2"})

    assert ("loop", "resp_2", 1) in lacks(seen(kept, 3))


def test_a_request_that_goes_on_from_itself_lacks_what_it_goes_on_from(kept: Kept) -> None:
    kept.add({"input": "one", "previous_response_id": "resp_1"})

    assert lacks(seen(kept, 1)) == [("response", "resp_1", 1)]


def test_of_equal_ids_that_of_the_own_take_is_meant(kept: Kept) -> None:
    for take in (1, 2):
        kept.add({"input": f"take {take}"}, take=take, response_id="resp_1")
    kept.add({"input": "two", "previous_response_id": "resp_1"}, take=1)
    kept.add({"input": "two", "previous_response_id": "resp_1"}, take=2)

    assert words(seen(kept, 3).items)[0] == "1 input take 1"
    assert words(seen(kept, 4).items)[0] == "2 input take 2"


def test_a_chain_of_thousands_is_read_once(kept: Kept) -> None:
    kept.add({"input": "0"})
    for number in range(2, 3001):
        kept.add({"input": str(number), "previous_response_id": f"resp_{number - 1}"}, [spoken("x")])
    context = seen(kept, 3000)

    assert len(context.items) == 2 * 3000 - 2
    assert len(kept.read) == 3000


# Compaction, truncation, prompts.


def test_what_stood_before_a_compaction_inside_a_generation_was_not_seen_after_it(kept: Kept) -> None:
    kept.add({"input": "one"}, [spoken("eins")])
    compaction = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}
    kept.add({"input": "two", "previous_response_id": "resp_1"}, [spoken("before"), compaction, spoken("zwei")])
    kept.add({"input": "three", "previous_response_id": "resp_2"})
    context = seen(kept, 3)

    assert words(context.items) == ["2 output cmp_1", "2 output zwei", "3 input three"]
    assert [one.position for one in context.items[:2]] == [1, 2]
    assert lacks(context) == [("compacted", None, 2)]
    assert context.whole


def test_a_window_that_the_compact_endpoint_made_is_seen_as_it_was_sent(kept: Kept) -> None:
    window = [user("one"), {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}]
    kept.add({"input": "one"}, [spoken("eins")])
    kept.add({"previous_response_id": "resp_1"}, window, path="/v1/responses/compact", response_status=None)
    kept.add({"input": [*window, user("two")]}, [spoken("zwei")])
    kept.add({"input": "three", "previous_response_id": "resp_3"})

    assert words(seen(kept, 2).items) == ["1 input one", "1 output eins"]
    assert words(seen(kept, 4).items) == ["3 input one", "3 input cmp_1", "3 input two", "3 output zwei", "4 input three"]
    assert seen(kept, 4).items[1].made_in == 2


def test_truncation_is_told(kept: Kept) -> None:
    kept.add({"input": "one", "truncation": "auto"})

    assert lacks(seen(kept, 1)) == [("truncated", None, 1)]
    assert seen(kept, 1).whole


def test_a_prompt_that_the_provider_keeps_is_told_unless_the_answer_has_its_text(kept: Kept) -> None:
    kept.add({"input": "one", "prompt": {"id": "pmpt_1"}})
    kept.add({"input": "one", "prompt": {"id": "pmpt_1"}}, said={"answer": {"instructions": [{"role": "developer", "content": "Be kind."}]}})

    assert lacks(seen(kept, 1)) == [("prompt", "pmpt_1", 1)]
    assert words(seen(kept, 2).items) == ["2 instructions Be kind.", "2 input one"]
    assert not seen(kept, 2).missing


def test_reasoning_that_upstream_removed_is_marked(kept: Kept) -> None:
    kept.add({"input": "one"}, [{"type": "reasoning", "id": "rs_1"}, spoken("eins")])
    removal = {"type": "reasoning", "action": "removed", "id": "rs_1", "reason": "turn_boundary"}
    kept.add({"input": "two", "previous_response_id": "resp_1"}, said={"answer": {"input_transformations": [removal]}})

    assert [one.removed for one in seen(kept, 2).items] == [None, "turn_boundary", None, None]


# References.


def test_a_reference_is_the_item_that_it_names(kept: Kept) -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
    kept.add({"input": "one"}, [call])
    kept.add({"input": [{"type": "item_reference", "id": "fc_1"}, {"id": "fc_1"}]})

    assert seen(kept, 2).items == [ContextItem(1, "output", 0, call, reference=2)] * 2


def test_a_reference_into_the_own_chain_needs_no_other_exchange(kept: Kept) -> None:
    kept.add({"input": [{**user("one"), "id": "msg_1"}]})
    kept.add({"input": [{"type": "item_reference", "id": "msg_1"}], "previous_response_id": "resp_1"})

    assert words(seen(kept, 2).items) == ["1 input one", "1 input one"]


def test_a_reference_to_what_was_never_recorded_is_missing(kept: Kept) -> None:
    kept.add({"input": [{"type": "item_reference", "id": "msg_9"}]})
    context = seen(kept, 1)

    assert lacks(context) == [("item", "msg_9", 1)]
    assert words(context.items) == ["1 input msg_9"]


def test_an_item_that_was_sent_back_says_where_it_was_made(kept: Kept) -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
    kept.add({"input": "one"}, [call])
    kept.add({"input": [user("one"), call]})

    assert [(one.exchange, one.made_in) for one in seen(kept, 2).items] == [(2, None), (2, 1)]


# Steers.


def test_a_successor_sees_the_steer_behind_what_its_parent_had_said(kept: Kept) -> None:
    kept.turn({"input": "one"}, [spoken("ei")], response_status="incomplete", said={"steers": (Steer("stop", "steer_1"),)})
    kept.turn(None, [spoken("stopped")], previous_response_id="resp_1", steer="steer_1")
    kept.turn({"input": "three", "previous_response_id": "resp_2"})

    assert words(seen(kept, 2).items) == ["1 input one", "1 output ei", "1 steer stop"]
    assert words(seen(kept, 3).items) == ["1 input one", "1 output ei", "1 steer stop", "2 output stopped", "3 input three"]


def test_a_successor_whose_steer_is_not_known_by_id_has_that_of_its_parent(kept: Kept) -> None:
    kept.turn({"input": "one"}, [spoken("ei")], said={"steers": (Steer("no", "steer_0", failed=True), Steer("stop", None))})
    kept.turn(None, previous_response_id="resp_1")

    assert words(seen(kept, 2).items) == ["1 input one", "1 output ei", "1 steer stop"]


def test_two_steers_of_one_response_go_to_their_own_successors(kept: Kept) -> None:
    kept.turn({"input": "one"}, [spoken("a")], said={"steers": (Steer("first", "steer_1"), Steer("second", "steer_2"))})
    kept.turn(None, [spoken("b")], previous_response_id="resp_1", steer="steer_1")
    kept.turn(None, previous_response_id="resp_2", steer="steer_2")

    assert words(seen(kept, 3).items) == ["1 input one", "1 output a", "1 steer first", "2 output b", "1 steer second"]


def test_a_steer_that_waits_stands_before_the_create_that_fills_it(kept: Kept) -> None:
    kept.turn({"input": "one"}, [spoken("call")], said={"steers": (Steer("and quickly", "steer_1", pending=True),)})
    kept.turn({"input": "result", "previous_response_id": "resp_1"})
    kept.add({"input": "elsewhere", "previous_response_id": "resp_1"})

    assert words(seen(kept, 2).items) == ["1 input one", "1 output call", "1 steer and quickly", "2 input result"]
    assert words(seen(kept, 3).items) == ["1 input one", "1 output call", "3 input elsewhere"]


def test_a_steer_that_was_never_recorded_is_missing(kept: Kept) -> None:
    kept.turn({"input": "one"}, [spoken("ei")])
    kept.turn(None, previous_response_id="resp_1", steer="steer_1")

    assert lacks(seen(kept, 2)) == [("steer", "steer_1", 2)]


# Conversations.


def conversation(kept: Kept) -> None:
    """Made with an item; a turn; an item more; a turn that failed."""
    api: dict[str, Any] = {"kind": "other", "conversation": "conv_1", "response_id": None, "response_status": None}
    kept.add({"items": [user("made")]}, path="/v1/conversations", **api)
    kept.add({"input": "one", "conversation": "conv_1"}, [spoken("eins")])
    kept.add({"items": [user("put")]}, path="/v1/conversations/conv_1/items", said={"answer": {"data": [{**user("put"), "id": "msg_9"}]}}, **api)
    kept.add({"input": "wrong", "conversation": {"id": "conv_1"}}, response_status="failed", error_code="server_error")


def test_a_conversation_is_all_that_was_put_into_it_before(kept: Kept) -> None:
    conversation(kept)
    kept.add({"input": "two", "conversation": {"id": "conv_1"}})
    kept.add({"input": "three", "conversation": {"id": "conv_1"}})
    context = seen(kept, 5)

    assert words(context.items) == ["1 items made", "2 input one", "2 output eins", "3 items put", "5 input two"]
    assert context.whole


def test_an_item_that_was_deleted_from_a_conversation_is_not_seen(kept: Kept) -> None:
    conversation(kept)
    kept.add(method="DELETE", path="/v1/conversations/conv_1/items/msg_9", kind="other", conversation="conv_1", response_id=None, response_status=None)
    kept.add({"input": "two", "conversation": "conv_1"})

    assert words(seen(kept, 6).items) == ["1 items made", "2 input one", "2 output eins", "6 input two"]


def test_a_conversation_whose_beginning_was_not_recorded_says_so(kept: Kept) -> None:
    kept.add({"input": "one", "conversation": "conv_1"})

    assert lacks(seen(kept, 1)) == [("conversation", "conv_1", 1)]


def test_a_conversation_that_is_begun_anew_is_a_new_one(kept: Kept) -> None:
    conversation(kept)
    conversation(kept)
    kept.add({"input": "two", "conversation": "conv_1"})

    assert words(seen(kept, 9).items)[0] == "5 items made"


def test_a_chain_that_began_in_a_conversation_has_it_at_its_beginning(kept: Kept) -> None:
    conversation(kept)
    kept.add({"input": "two", "conversation": "conv_1"}, [spoken("zwei")])
    kept.add({"input": "three", "previous_response_id": "resp_5"})

    assert words(seen(kept, 6).items)[-4:] == ["3 items put", "5 input two", "5 output zwei", "6 input three"]


def test_an_answer_without_an_end_in_a_conversation_is_told(kept: Kept) -> None:
    conversation(kept)
    kept.add({"input": "two", "conversation": "conv_1"}, [spoken("zw")], response_status="in_progress", outcome="client_closed")
    kept.add({"input": "three", "conversation": "conv_1"})

    assert lacks(seen(kept, 6)) == [("cut", "resp_5", 5)]


def test_a_compaction_in_a_conversation_stands_for_what_was_before(kept: Kept) -> None:
    conversation(kept)
    kept.add({"input": "two", "conversation": "conv_1"}, [{"type": "compaction", "id": "cmp_1"}, spoken("zwei")])
    kept.add({"input": "three", "conversation": "conv_1"})

    assert words(seen(kept, 6).items) == ["5 output cmp_1", "5 output zwei", "6 input three"]


# Other calls, other APIs.


def test_a_chat_is_its_own_context(kept: Kept) -> None:
    chat = [{"role": "user", "content": "hi"}]
    kept.add({"messages": chat}, said={"answer": {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}}, kind="chat.completions")
    kept.add({"system": "Be brief.", "messages": chat}, said={"answer": {"role": "assistant", "content": "Hello"}}, kind="messages", path="/v1/messages")

    assert (words(seen(kept, 1).items), words(seen(kept, 1).answer)) == (["1 input hi"], ["1 output Hello"])
    assert (words(seen(kept, 2).items), words(seen(kept, 2).answer)) == (["2 instructions Be brief.", "2 input hi"], ["2 output Hello"])


@pytest.mark.parametrize(
    "changes", [{"kind": "embeddings", "path": "/v1/embeddings"}, {"kind": "chat.completions"}, {"method": "DELETE", "path": "/v1/responses/resp_1"}]
)
def test_what_asks_no_model_has_no_context(kept: Kept, changes: dict[str, Any]) -> None:
    kept.add({"input": "x"}, **changes)

    assert context_of(kept, 1) is None


# What is sent in place of previous_response_id.


def test_a_request_is_expanded_by_what_it_goes_on_from(kept: Kept) -> None:
    kept.add({"input": "one", "instructions": "Old."}, [{"type": "reasoning", "id": "rs_1"}, spoken("eins", id="msg_1")])
    kept.add({"input": "two", "previous_response_id": "resp_1"}, [{"type": "reasoning", "id": "rs_2", "encrypted_content": "x"}, spoken("zwei", id="msg_2")])
    context = expanded(kept, {"input": "three", "instructions": "New.", "previous_response_id": "resp_2"}, Near("s"))

    assert context.whole
    assert as_input(context.items) == [
        user("one"),
        spoken("eins"),
        user("two"),
        {"type": "reasoning", "id": "rs_2", "encrypted_content": "x"},
        spoken("zwei", id="msg_2"),
        user("three"),
    ]


def test_references_are_sent_as_the_items_they_name_or_not_at_all(kept: Kept) -> None:
    kept.add({"input": [{**user("one"), "id": "msg_1"}]})
    asked = {"input": [{"type": "item_reference", "id": "msg_1"}, {"type": "item_reference", "id": "msg_9"}], "previous_response_id": "resp_1"}
    context = expanded(kept, asked, Near("s"))

    assert as_input(context.items) == [{**user("one"), "id": "msg_1"}] * 2
    assert (context.whole, context.sendable) == (False, True)


def test_what_goes_on_from_nothing_known_is_not_whole(kept: Kept) -> None:
    context = expanded(kept, {"input": "two", "previous_response_id": "resp_1"}, Near("s"))

    assert (context.sendable, as_input(context.items)) == (False, [user("two")])


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["ws", "http"]), st.booleans()), max_size=12))
def test_every_net_of_links_ends_and_no_exchange_counts_twice(links: list[tuple[int, str, bool]]) -> None:
    kept = Kept()
    for number, (previous, transport, asks) in enumerate(links):
        kept.add(
            {"input": str(number), "previous_response_id": f"resp_{previous}"} if asks else None,
            [spoken("x")],
            transport=transport,
            previous_response_id=f"resp_{previous}",
            started_at=START,
        )
    for id_ in kept.rows:
        context = context_of(kept, id_)
        assert context is not None
        assert len({(one.exchange, one.part, one.position) for one in context.items}) == len(context.items)
