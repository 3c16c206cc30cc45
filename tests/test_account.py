"""What a replay says when it has ended: what it saved, and what of the recording nothing has asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from playhead.config.settings import Settings
from playhead.proxy.commands.serving import _replayed
from playhead.proxy.pricing.setting import entries_for
from playhead.proxy.replay.account import Worth, worth
from playhead.proxy.server import summary
from playhead.storage.costing.costs import about
from playhead.storage.records import Batch, Facts, Recorded
from playhead.storage.store import Store
from stores import recorded
from test_ledger import cost, exchange
from test_player import answers, playing
from test_player import exchange as request

ASSUMED = Settings(assume="provider=openai,region=global,tier=default")


def test_what_was_served_is_worth_what_it_cost_each_time(store: Store) -> None:
    store.write(Batch(finished=[exchange(1, price=cost(5)), exchange(2, price=cost(3, "partly")), exchange(3, price=cost(None, "free")), exchange(4)]))

    assert worth(store, Counter({1: 2, 2: 1, 3: 1, 4: 1}), partial(entries_for, ASSUMED)) == Worth(13, 1)


def test_what_is_not_in_the_ledger_is_priced_now(store: Store) -> None:
    usage = {"input_tokens": 1_000_000, "output_tokens": 0, "total_tokens": 1_000_000}
    facts = [Facts(kind="responses", model=model, parse="parsed", response_status="completed", usage=usage) for model in ("gpt-5", "nobody-sells-this")]
    store.write(Batch(finished=[recorded(number, facts=one) for number, one in enumerate(facts, 1)]))

    assert worth(store, Counter({1: 2, 2: 1}), partial(entries_for, ASSUMED)) == Worth(2_500_000_000_000, 1)


def told(number: int, **known: Any) -> Recorded:
    """A GET of a response that has used a million tokens, or what `known` says of it."""
    usage = {"input_tokens": 1_000_000, "output_tokens": 0, "total_tokens": 1_000_000}
    facts = {"kind": "responses", "model": "gpt-5", "parse": "parsed", "response_id": "resp_1", "response_status": "completed", "usage": usage}
    request = {name: known.pop(name) for name in ("method", "path") if name in known}
    return recorded(number, **{"method": "GET", "path": "/v1/responses/resp_1", **request}, facts=Facts(**{**facts, **known}))


CREATE: dict[str, Any] = {"method": "POST", "path": "/v1/responses"}
BACKGROUND: dict[str, Any] = {**CREATE, "response_status": "queued", "usage": None}
ONCE = 1_250_000_000_000


@pytest.mark.parametrize("first", [CREATE, BACKGROUND])
def test_a_response_that_is_retrieved_again_is_worth_what_it_cost_once(store: Store, first: dict[str, Any]) -> None:
    store.write(Batch(finished=[told(1, **first), told(2), told(3)]))

    assert worth(store, Counter([1, 2, 3]), partial(entries_for, ASSUMED)) == Worth(ONCE)


def test_what_was_imported_is_worth_the_price_that_came_along(store: Store) -> None:
    first = replace(told(1, **CREATE), paid=(7, None))
    others = [replace(told(2), paid=(None, "counted in exchange 1")), replace(told(3, response_id="resp_3"), paid=(5, None))]
    store.write(Batch(finished=[first, *others]))

    assert worth(store, Counter({1: 2, 2: 1, 3: 1}), partial(entries_for, ASSUMED)) == Worth(19)


def test_what_is_billed_by_its_request_alone_is_worth_something_too(store: Store) -> None:
    speech = {"method": "POST", "path": "/v1/audio/speech", "kind": "audio", "model": "tts-1", "response_id": None, "response_status": None, "usage": None}
    store.write(Batch(finished=[told(1, **speech, billing={"characters": 2})]))

    assert worth(store, Counter([1]), partial(entries_for, ASSUMED)) == Worth(30_000_000)


def test_what_a_writer_has_recorded_is_summed_up_for_it_alone(store: Store) -> None:
    store.write(Batch(finished=[exchange(1, price=cost(5)), exchange(2, price=cost(3, "partly", note="why")), exchange(3, price=cost(None, "pending"))]))
    store.write(Batch(finished=[recorded(4, writer="import-1", cost=cost(9))]))

    assert store.ledger.paid() == store.ledger.paid(session="default") == (2, 8, 5, 1, "exchange 2 (gpt-5, why)")
    assert store.ledger.paid(writer="nobody") == (0, 0, 0, 0, "")


def test_money_is_told_to_a_hundredth_of_a_cent() -> None:
    assert [about(pico) for pico in (0, 1, 10**8, 1_234_567_890_000_000)] == ["0.0000 USD", "less than 0.0001 USD", "0.0001 USD", "1,234.5679 USD"]


async def test_a_player_knows_what_nothing_has_asked_for_and_what_was_served_before_a_rewind(tmp_path: Path) -> None:
    async with playing(tmp_path, request(1, "a"), request(2, "b"), request(3, "c")) as player:
        assert player.unserved("default") is None
        await answers(player, await player.open("default", begin=False), "a")
        await player.rewind("default")
        await answers(player, await player.open("default", begin=False), "a", "c")

        assert (player.served, player.unserved("default")) == (Counter({1: 2, 3: 1}), [2])


def test_the_last_line_of_a_replay_has_it_and_the_launcher_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    counted = "playhead replayed 3  diverged 0  live 0  faults 0  ruled 0"
    line = summary([{"metrics": {"replayed": 3, "account": {"saved": 12 * 10**9, "unpriced": 1, "unused": 7, "first": [2, 4, 6, 8, 10]}}}])

    assert line == "playhead replayed 3  diverged 0  live 0  faults 0  ruled 0  saved 0.012  unpriced 1  unused 7  first 2  first 4  first 6  first 8  first 10"

    assert line == f"{counted}  saved 0.012  unpriced 1  unused 7  first 2  first 4  first 6  first 8  first 10"
    assert _replayed(Settings(), line) == 0
    told = capsys.readouterr().err
    assert "playhead: 7 recorded exchanges were not asked for: 2, 4, 6, 8, 10 and 2 more\n" in told
    assert "playhead: saved by the replay: 0.0120 USD, and that of 1 whose price is not known\n" in told


@pytest.mark.parametrize(("missed", "hinted"), [({"session_not_found": 2}, False), ({"session_not_found": 2, "no_match": 1}, True)])
def test_what_was_asked_of_a_session_that_nobody_recorded_is_in_no_list(missed: dict[str, int], hinted: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert _replayed(Settings(), summary([{"metrics": {"missed": missed}}])) == sum(missed.values())
    told = capsys.readouterr().err

    assert ("`playhead divergences default` shows what diverged" in told, "sent no request" in told) == (hinted, False)
