"""The metrics of playhead as Prometheus reads them: their names, their meaning, and how a snapshot becomes text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from playhead.storage.records import Outcome

# Per metric, by its name: a number; or a number by label value, or by the values of several labels; or for a summary its `sum` and `count`.
Values = Mapping[str, float] | Mapping[tuple[str, ...], float]
Snapshot = Mapping[str, float | Values]


@dataclass(frozen=True, slots=True)
class Described:
    """One metric. `label`: its name, or several with commas between. `values` of it are exposed from the start, as 0, so that rates have a beginning."""

    name: str
    kind: Literal["counter", "gauge", "summary"]
    help: str
    label: str | None = None
    values: tuple[str, ...] = ()


_PICO = 10**12
MISSES = ("no_match", "exhausted", "session_not_found", "live_budget")

METRICS = (
    Described("playhead_exchanges_total", "counter", "Exchanges that ended, by how.", "outcome", get_args(Outcome)),
    Described("playhead_requests_total", "counter", "Requests that clients sent, by transport.", "transport", ("http", "ws")),
    Described("playhead_responses_total", "counter", "Answers that clients got, by class of status.", "status_class", ("1xx", "2xx", "3xx", "4xx", "5xx")),
    Described("playhead_errors_total", "counter", "Answers that playhead itself gave instead of upstream's, by their code.", "code"),
    Described("playhead_request_bytes_total", "counter", "Bytes of request bodies and client messages, as they came over the network."),
    Described("playhead_response_bytes_total", "counter", "Bytes of response bodies and upstream messages, as they came over the network."),
    Described("playhead_open_exchanges", "gauge", "Exchanges in flight."),
    Described("playhead_open_connections", "gauge", "WebSockets that are open."),
    Described("playhead_replayed_total", "counter", "Requests that were answered from recordings."),
    Described("playhead_ruled_total", "counter", "Of these, requests that equal the recorded one only by a match rule, or because that was accepted."),
    Described("playhead_faults_total", "counter", "Faults that a replay served."),
    Described("playhead_divergences_total", "counter", "Requests that a replay could not answer, by the code they got.", "code", MISSES),
    Described("playhead_live_total", "counter", "Requests without a recording that a replay passed on to upstream."),
    Described("playhead_journal_bytes", "gauge", "Bytes in the journal that the recorder has not removed yet."),
    Described("playhead_journal_lag_seconds", "gauge", "Age of the oldest journal entry that the recorder has not taken in yet."),
    Described("playhead_journal_dropped_exchanges_total", "counter", "Exchanges that were not recorded wholly: the journal was full or could not be written."),
    Described("playhead_recording_failures_total", "counter", "Failures to record, by reason: store, a commit that is tried again.", "reason", ("store",)),
    Described("playhead_recorder_exchanges_total", "counter", "Exchanges that the recorder has stored."),
    Described("playhead_recorder_up", "gauge", "1 while the recorder runs."),
    Described("playhead_workers_up", "gauge", "Workers that run."),
    Described("playhead_budget_spent_usd", "gauge", "What was spent of a budget in its hour, day, week or month, or in all; of the whole store.", "budget,key"),
    Described("playhead_budget_limit_usd", "gauge", "What the budget allows.", "budget,key"),
    Described("playhead_budget_unpriced", "gauge", "Exchanges in that time whose price is not known, or not yet: spent is without them.", "budget,key"),
    Described("playhead_recorder_commit_seconds", "summary", "How long the recorder's commits to the store took."),
)


class _Snapshots(Collector):
    def __init__(self, take: Callable[[], Snapshot]) -> None:
        self._take = take

    def collect(self) -> Iterator[Metric]:
        taken = self._take()
        if unknown := taken.keys() - {metric.name for metric in METRICS}:
            raise KeyError(f"metrics that are not described: {sorted(unknown)}")
        for metric in METRICS:
            yield _family(metric, taken.get(metric.name, {} if metric.label or metric.kind == "summary" else 0.0))


def _family(metric: Described, value: float | Values) -> Metric:
    if metric.kind == "summary":
        parts: Mapping[Any, float] = value if isinstance(value, Mapping) else {}
        return SummaryMetricFamily(metric.name, metric.help, count_value=int(parts.get("count", 0)), sum_value=parts.get("sum", 0.0))
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    if not isinstance(value, Mapping):
        return kind(metric.name, metric.help, value=value)
    family = kind(metric.name, metric.help, labels=(metric.label or "").split(","))
    given: Mapping[Any, float] = value
    for label, number in {**dict.fromkeys(metric.values, 0.0), **given}.items():
        family.add_metric([label] if isinstance(label, str) else label, number)
    return family


def snapshot(state: Mapping[str, Any]) -> Snapshot:
    """The metrics of a server from its processes' newest reports.

    `state`: `workers`, a list of what `worker` reports, each with `up`; `recorder`, what the recorder reports, with `up`, or None where nothing is
    recorded; `journal_bytes`; `journal_lag`; `budgets`, what was spent of them, if there are any. What a process has not reported yet counts as 0.
    """
    workers: list[Mapping[str, Any]] = state["workers"]
    recorder: Mapping[str, Any] = state["recorder"] or {}
    return {
        "playhead_exchanges_total": _by_label(workers, "outcomes"),
        "playhead_requests_total": _by_label(workers, "requests"),
        "playhead_responses_total": _by_label(workers, "statuses"),
        "playhead_errors_total": _by_label(workers, "errors"),
        "playhead_request_bytes_total": _total(workers, "request_bytes"),
        "playhead_response_bytes_total": _total(workers, "response_bytes"),
        "playhead_open_exchanges": _total(workers, "open_exchanges"),
        "playhead_open_connections": _total(workers, "open_connections"),
        "playhead_replayed_total": _total(workers, "replayed"),
        "playhead_ruled_total": _total(workers, "ruled"),
        "playhead_faults_total": _total(workers, "faults"),
        "playhead_divergences_total": _by_label(workers, "missed"),
        "playhead_live_total": _total(workers, "live"),
        "playhead_journal_bytes": state["journal_bytes"],
        "playhead_journal_lag_seconds": state["journal_lag"],
        "playhead_journal_dropped_exchanges_total": _total(workers, "dropped"),
        "playhead_recording_failures_total": {"store": recorder.get("failures", 0)},
        "playhead_recorder_exchanges_total": recorder.get("exchanges", 0),
        "playhead_recorder_up": int(bool(recorder.get("up"))),
        "playhead_workers_up": sum(bool(worker.get("up")) for worker in workers),
        **_budgets(state.get("budgets", ())),
        "playhead_recorder_commit_seconds": {"sum": recorder.get("commit_seconds", 0.0), "count": recorder.get("commits", 0)},
    }


def _budgets(spendings: Iterable[Any]) -> dict[str, Mapping[tuple[str, ...], float]]:
    """Prometheus knows no other numbers than these: to the last digit it is `playhead audit` that knows."""
    listed = [*spendings]
    amounts = (("spent_usd", "spent", _PICO), ("limit_usd", "limit", _PICO), ("unpriced", "lacking", 1))
    return {f"playhead_budget_{name}": {(one.budget, one.key): getattr(one, field) / unit for one in listed} for name, field, unit in amounts}


def _total(workers: Iterable[Mapping[str, Any]], name: str) -> float:
    return sum(float(worker.get(name, 0)) for worker in workers)


def _by_label(workers: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, float]:
    counts: Counter[str] = Counter()
    for worker in workers:
        counts.update(worker.get(name, {}))
    return counts


def expose(take: Callable[[], Snapshot], accept: str = "") -> tuple[bytes, str]:
    """The snapshot as text in the format that `accept` asks for (Prometheus or OpenMetrics), and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshots(take))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
