"""Each fault over HTTP, as the openai SDK sees it: the exception that it would be in life, and the recorded answer when it asks again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from playhead.config.errors import ConfigError
from playhead.proxy import Playhead
from playhead.proxy.simulator import simulated_upstream
from replays import NOWHERE

TEXT = "This is a simulated answer. No model was asked."
DELTA = "response.output_text.delta"
See = Callable[[OpenAI, dict[str, str]], str]


def body(client: OpenAI, headers: dict[str, str]) -> str:
    """A response as JSON."""
    return client.responses.create(model="m", input="Hi.", extra_headers=headers).output_text


def stream(client: OpenAI, headers: dict[str, str]) -> str:
    """A response as a stream of events."""
    told: list[str] = []
    event: Any
    with client.responses.create(model="m", input="Hi.", stream=True, extra_headers=headers) as events:
        for event in events:
            if event.type == DELTA:
                told.append(event.delta)
            elif event.type == "error":
                told.append(f"[{event.code}]")
    return "".join(told)


def helper(client: OpenAI, headers: dict[str, str]) -> str:
    """The same by the SDK's helper."""
    with client.responses.stream(model="m", input="Hi.", extra_headers=headers) as events:
        return events.get_final_response().output_text


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playhead]:
    """A replay of each way of asking, which was recorded once and is served again and again."""
    data = tmp_path_factory.mktemp("faults")

    async def record() -> None:
        async with simulated_upstream(0) as upstream:
            with Playhead(mode="record", data=data, upstream=upstream) as recording, sdk(recording) as client:
                for see in (body, stream):
                    await asyncio.to_thread(see, client, {})

    asyncio.run(record())
    with Playhead(data=data, upstream=NOWHERE, exhausted="last") as replay:
        yield replay


@pytest.fixture(scope="module")
def client(proxy: Playhead) -> Iterator[OpenAI]:
    with sdk(proxy) as client:
        yield client


def sdk(proxy: Playhead) -> OpenAI:
    return OpenAI(base_url=proxy.base_url, api_key="sk-faults-not-a-real-key", max_retries=0, timeout=30)


def tried(proxy: Playhead, client: OpenAI, see: See, fault: str, **options: Any) -> tuple[Any, str, list[str]]:
    """What the first try gave or raised, what the next gave, and what the client did then, by the faults that were met meanwhile. `options`: of the client in
    its first try."""
    before = len(proxy.faults)
    asking = {"Playhead-Fault": f"{fault} seed={before}"}  # else one that was met before would be known
    try:
        first: Any = see(client.with_options(**options), asking)
    except Exception as error:
        first = error
    again = see(client, asking)
    return first, again, [str(one.outcome and one.outcome["next"]) for one in proxy.faults[before:]]


@pytest.mark.parametrize("see", [body, stream])
@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("400", openai.BadRequestError),
        ("401", openai.AuthenticationError),
        ("403", openai.PermissionDeniedError),
        ("404", openai.NotFoundError),
        ("409", openai.ConflictError),
        ("422", openai.UnprocessableEntityError),
        ("429 retry-after=2", openai.RateLimitError),
        ("429 insufficient_quota", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("502", openai.InternalServerError),
        ("503", openai.InternalServerError),
        ("previous_response_not_found", openai.BadRequestError),
        ("cut at start", openai.APIConnectionError),
        ("reset at start", openai.APIConnectionError),
        ("cut", openai.APIConnectionError),
        ("reset", openai.APIConnectionError),
        ("close 1011", openai.APIConnectionError),
        ("half-event", openai.APIConnectionError),
        ("malformed", ValueError),
        ("garbage", UnicodeDecodeError),
    ],
)
def test_it_is_the_exception_that_it_would_be_in_life_and_the_retry_gets_the_recorded_answer(
    proxy: Playhead, client: OpenAI, see: See, fault: str, raised: type[Exception]
) -> None:
    first, again, outcomes = tried(proxy, client, see, fault)

    assert isinstance(first, raised)
    assert (again, outcomes) == (TEXT, ["retried"])


@pytest.mark.parametrize("see", [stream, helper])
@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (f"cut after 2 {DELTA}", openai.APIConnectionError),
        ("reset before response.completed", openai.APIConnectionError),
        ("cut at end", openai.APIConnectionError),
        ("half-event before response.completed", openai.APIConnectionError),
        (f"malformed after {DELTA}", ValueError),
        (f"garbage before 3 {DELTA}", UnicodeDecodeError),
    ],
)
def test_so_it_is_in_the_middle_of_a_stream(proxy: Playhead, client: OpenAI, see: See, fault: str, raised: type[Exception]) -> None:
    first, again, outcomes = tried(proxy, client, see, fault)

    assert isinstance(first, raised)
    assert (again, outcomes) == (TEXT, ["retried"])


@pytest.mark.parametrize("fault", ["hang", "latency 30s", "hang at start", "drip 1B/5s"])
@pytest.mark.parametrize("see", [body, stream])
def test_what_takes_too_long_times_out_and_the_retry_gets_the_recorded_answer(proxy: Playhead, client: OpenAI, see: See, fault: str) -> None:
    first, again, outcomes = tried(proxy, client, see, fault, timeout=0.2)

    assert isinstance(first, openai.APITimeoutError)
    assert (again, outcomes) == (TEXT, ["retried"])


@pytest.mark.parametrize("fault", ["latency 10ms..20ms", "drip 400B/1ms", "duplicate before response.in_progress", "reorder before response.in_progress"])
def test_what_only_comes_late_or_twice_or_in_another_order_is_taken(proxy: Playhead, client: OpenAI, fault: str) -> None:
    first, again, outcomes = tried(proxy, client, stream, fault)

    assert (first, again) == (TEXT, TEXT)
    assert outcomes[0] == "went_on"


def test_text_that_comes_twice_is_heard_twice(proxy: Playhead, client: OpenAI) -> None:
    first, again, _ = tried(proxy, client, stream, f"duplicate before {DELTA}")

    assert (first, again) == ("This" + TEXT, TEXT)


def test_text_in_another_order_is_heard_so(proxy: Playhead, client: OpenAI) -> None:
    first, again, _ = tried(proxy, client, stream, f"reorder before {DELTA}")

    assert (first, again) == (" isThis" + TEXT.removeprefix("This is"), TEXT)


def test_a_failure_in_the_middle_of_a_stream_is_its_error_event(proxy: Playhead, client: OpenAI) -> None:
    first, again, outcomes = tried(proxy, client, stream, f"503 after {DELTA}")

    assert (first, again, outcomes) == ("This[server_is_overloaded]", TEXT, ["retried"])


def test_headers_and_body_are_those_of_the_provider(proxy: Playhead, client: OpenAI) -> None:
    error, _, _ = tried(proxy, client, body, "429 retry-after-ms=5 x-should-retry=false")

    assert (error.code, error.type, error.param) == ("rate_limit_exceeded", "requests", None)
    assert "Rate limit reached for m on requests per min" in error.message
    assert error.request_id.startswith("req_")
    assert [error.response.headers[name] for name in ("retry-after-ms", "x-should-retry", "x-ratelimit-remaining-requests")] == ["5", "false", "0"]


def test_the_sdk_itself_retries_and_its_user_sees_the_answer_alone(proxy: Playhead, client: OpenAI) -> None:
    before = len(proxy.faults)

    assert body(client.with_options(max_retries=2), {"Playhead-Fault": f"503 retry-after-ms=1 times 2 seed={before}"}) == TEXT
    assert [one.outcome and one.outcome["next"] for one in proxy.faults[before:]] == ["retried", "retried"]


def test_faults_may_be_asked_for_while_it_runs_in_one_session_or_in_all(proxy: Playhead, client: OpenAI) -> None:
    proxy.fault(f"409 once seed={len(proxy.faults) + 1}", session="another")
    assert body(client, {}) == TEXT

    proxy.fault(f"409 once seed={len(proxy.faults) + 1}")
    with pytest.raises(openai.ConflictError):
        body(client, {})
    assert body(client, {}) == TEXT

    proxy.fault(f"409 always seed={len(proxy.faults) + 1}")
    proxy.clear_faults()
    assert body(client, {}) == TEXT


def test_what_is_no_fault_is_refused_there_too(proxy: Playhead) -> None:
    with pytest.raises(ConfigError, match="'cutt' is no fault: allowed is"):
        proxy.fault("cutt")


def test_a_spec_that_is_wrong_is_refused_with_what_is_allowed(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"'cutt' is no fault: allowed is a status from 400 to 599") as caught:
        body(client, {"Playhead-Fault": "cutt"})

    assert caught.value.code == "bad_fault"
