"""The console over a real socket: health, metrics, and whom it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families as parse
from yarl import URL

from playhead.config.settings import HostPort
from playhead.proxy.console.app import console_app
from playhead.proxy.console.exposition import METRICS, expose, snapshot
from playhead.proxy.pricing.budget_watch import Spending
from playhead.proxy.recordings.rewinding import RewindError, Rewound

TOKEN = "console-token"
WORKER = {
    "requests": {"http": 3, "ws": 1},
    "outcomes": {"complete": 2},
    "statuses": {"2xx": 2, "5xx": 1},
    "errors": {"upstream_timeout": 1},
    "request_bytes": 10,
    "response_bytes": 20,
    "open_exchanges": 1,
    "open_connections": 4,
    "dropped": 1,
    "replayed": 5,
    "faults": 3,
    "missed": {"no_match": 1},
    "live": 2,
    "ruled": 1,
    "up": True,
}
SPENT = [Spending("key=*:5/day", "k_1", 5 * 10**12, 15 * 10**11, 2)]
RECORDER = {"exchanges": 5, "failures": 1, "commits": 2, "commit_seconds": 0.25, "up": True}


@dataclass
class Known:
    """A health that is what a test says."""

    problems: list[str] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=lambda: {"workers": [], "recorder": None, "journal_bytes": 0, "journal_lag": 0.0})

    def ready(self) -> list[str]:
        return self.problems

    def metrics(self) -> Mapping[str, Any]:
        return self.state

    async def rewind(self, session: str) -> Rewound:
        if session == "gone":
            raise RewindError("session_not_found", "Nothing is recorded in session gone.")
        return Rewound(session, 2, 9, 4)


@asynccontextmanager
async def console(health: Known | None = None, host: str = "127.0.0.1", token: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a console that believes itself bound to `host`."""
    runner = web.AppRunner(console_app(health or Known(), HostPort(host, 0), token))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()


async def test_healthz_answers_ok() -> None:
    async with console() as client, client.get("/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")


async def test_readyz_names_every_reason_why_not() -> None:
    async with console(Known(["the recorder is down"])) as client, client.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (503, {"ready": False, "reasons": ["the recorder is down"]})


async def test_readyz_is_200_when_there_is_no_reason() -> None:
    async with console() as client, client.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})


async def test_metrics_are_text_that_prometheus_reads() -> None:
    async with (
        console(Known(state={"workers": [WORKER, WORKER], "recorder": RECORDER, "journal_bytes": 9, "journal_lag": 0.5})) as client,
        client.get("/metrics") as answer,
    ):
        families = {family.name: family for family in parse(await answer.text())}

        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert families["playhead_open_exchanges"].samples[0].value == 2


async def test_what_is_unknown_is_named_with_what_there_is() -> None:
    async with console() as client, client.get("/nothing") as answer:
        assert answer.status == 404
        assert "GET /healthz, /readyz and /metrics" in (await answer.json())["error"]["message"]


async def test_another_method_is_refused_with_those_allowed() -> None:
    async with console() as client, client.post("/healthz") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nothing"])
async def test_with_a_token_nothing_is_answered_without_it(path: str) -> None:
    async with console(token=TOKEN) as client, client.get(path) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("given", "status"), [("Bearer console-token", 200), ("Bearer console-toke", 401), ("console-token", 401), ("Bearer \xe9", 401)])
async def test_only_the_whole_token_counts(given: str, status: int) -> None:
    async with console(token=TOKEN) as client, client.get("/healthz", headers={"Authorization": given}) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("bound", "header", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8081", 200),
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "LOCALHOST:1", 200),
        ("127.0.0.1", "[::1]:8081", 200),
        ("::1", "[::1]", 200),
        ("console.example", "console.example:8081", 200),
        ("fe80::7", "[fe80::7]:8081", 200),
        ("127.0.0.1", "evil.example", 403),
        ("127.0.0.1", "evil.example:8081", 403),
        ("127.0.0.1", "127.0.0.1.evil.example", 403),
        ("0.0.0.0", "any.example", 200),
    ],
)
async def test_only_hosts_that_are_its_own_are_answered(bound: str, header: str, status: int) -> None:
    async with console(host=bound) as client, client.get("/healthz", headers={"Host": header}) as answer:
        assert answer.status == status


def test_every_metric_is_there_from_the_start() -> None:
    text, _ = expose(dict)

    assert {metric.name for metric in METRICS} == {line.split()[2] for line in text.decode().splitlines() if line.startswith("# TYPE")}


def test_a_snapshot_sums_the_workers_and_takes_the_recorders_word() -> None:
    taken = snapshot({"workers": [WORKER, WORKER | {"up": False}], "recorder": RECORDER, "journal_bytes": 9, "journal_lag": 0.5, "budgets": SPENT})

    assert taken == {
        "playhead_exchanges_total": {"complete": 4},
        "playhead_requests_total": {"http": 6, "ws": 2},
        "playhead_responses_total": {"2xx": 4, "5xx": 2},
        "playhead_errors_total": {"upstream_timeout": 2},
        "playhead_request_bytes_total": 20,
        "playhead_response_bytes_total": 40,
        "playhead_open_exchanges": 2,
        "playhead_open_connections": 8,
        "playhead_replayed_total": 10,
        "playhead_faults_total": 6,
        "playhead_divergences_total": {"no_match": 2},
        "playhead_ruled_total": 2,
        "playhead_live_total": 4,
        "playhead_journal_bytes": 9,
        "playhead_journal_lag_seconds": 0.5,
        "playhead_journal_dropped_exchanges_total": 2,
        "playhead_recording_failures_total": {"store": 1},
        "playhead_recorder_exchanges_total": 5,
        "playhead_recorder_up": 1,
        "playhead_workers_up": 1,
        "playhead_budget_spent_usd": {("key=*:5/day", "k_1"): 1.5},
        "playhead_budget_limit_usd": {("key=*:5/day", "k_1"): 5.0},
        "playhead_budget_unpriced": {("key=*:5/day", "k_1"): 2.0},
        "playhead_recorder_commit_seconds": {"sum": 0.25, "count": 2},
    }


def test_a_metric_may_have_several_labels() -> None:
    text, _ = expose(lambda: snapshot({"workers": [], "recorder": None, "journal_bytes": 0, "journal_lag": 0.0, "budgets": SPENT}))

    assert 'playhead_budget_spent_usd{budget="key=*:5/day",key="k_1"} 1.5' in text.decode()


def test_a_process_that_has_reported_nothing_counts_as_nothing() -> None:
    taken = snapshot({"workers": [{"up": True}], "recorder": None, "journal_bytes": 0, "journal_lag": 0.0})

    assert taken.keys() == {metric.name for metric in METRICS}
    assert taken["playhead_workers_up"] == 1


def test_labelled_values_stand_beside_zeros_for_those_not_seen_yet() -> None:
    text, _ = expose(lambda: {"playhead_exchanges_total": {"aborted": 2}})
    samples = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.decode().splitlines() if not line.startswith("#")}

    assert samples['playhead_exchanges_total{outcome="aborted"}'] == 2
    assert samples['playhead_exchanges_total{outcome="complete"}'] == 0


def test_a_summary_has_its_sum_and_its_count() -> None:
    text, _ = expose(lambda: {"playhead_recorder_commit_seconds": {"sum": 1.5, "count": 3}})

    assert b"playhead_recorder_commit_seconds_count 3.0\nplayhead_recorder_commit_seconds_sum 1.5\n" in text


def test_openmetrics_is_spoken_to_those_who_ask_for_it() -> None:
    text, content_type = expose(dict, "application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_a_metric_that_nobody_described_is_an_error() -> None:
    with pytest.raises(KeyError, match="playhead_surprise"):
        expose(lambda: {"playhead_surprise": 1})


async def test_a_session_is_rewound_by_a_post() -> None:
    async with console() as client, client.post("/api/sessions/nightly:1/rewind") as answer:
        assert (answer.status, await answer.json()) == (200, {"session": "nightly:1", "take": 2, "exchanges": 9, "served": 4})


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("gone", 404, {"message": "Nothing is recorded in session gone.", "code": "session_not_found"}),
        ("a%20b", 400, {"message": "a session's name is 1 to 128 of the characters A-Z a-z 0-9 . _ : -"}),
    ],
)
async def test_what_cannot_be_rewound_is_told(name: str, status: int, told: dict[str, str]) -> None:
    async with console() as client, client.post(URL(f"/api/sessions/{name}/rewind", encoded=True)) as answer:
        assert (answer.status, await answer.json()) == (status, {"error": told})


async def test_nothing_is_rewound_by_a_get() -> None:
    async with console() as client, client.get("/api/sessions/a/rewind") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_nothing_is_rewound_without_the_token() -> None:
    async with console(token=TOKEN) as client:
        async with client.post("/api/sessions/a/rewind") as answer:
            assert answer.status == 401
        async with client.post("/api/sessions/a/rewind", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_nothing_is_rewound_by_a_page_of_another_site(origin: str) -> None:
    async with console() as client, client.post("/api/sessions/a/rewind", headers={"Origin": origin}) as answer:
        assert (answer.status, (await answer.json())["error"]["message"]) == (403, "the request was made by a page of another site")


async def test_a_page_of_the_console_may_rewind() -> None:
    async with console() as client, client.post("/api/sessions/a/rewind", headers={"Origin": str(client._base_url).rstrip("/")}) as answer:
        assert answer.status == 200
