"""What an exchange used, in one form for every provider and kind. Pure.

Providers count differently: OpenAI's input includes what was cached, Anthropic's does not; some count reasoning beside the output. Here input and output
are always whole. A count that the provider did not give is None, never zero; numbers that contradict each other are kept as they came and noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from .usage_form import CacheWrites, Modalities, Usage, UsagePart

_MOST = 10**15  # nobody uses more of anything at once, and thousands of such counts together still fit an integer column of any database
_MODALITIES = ("text", "audio", "image", "video")
_DETAILS: Mapping[str, Sequence[str]] = {
    "input": ("input_tokens_details", "input_token_details", "prompt_tokens_details", "prompt_token_details"),
    "output": ("output_tokens_details", "output_token_details", "completion_tokens_details"),
}
_CACHED_BESIDE = ("cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")  # where others than OpenAI say it
_BY_MODALITY: Mapping[str, Sequence[str]] = {modality: (f"{modality}_tokens",) for modality in _MODALITIES}
_USUAL = 5  # members of the usage of a Response
_usual_members = itemgetter("input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens")
_NUMBERS = frozenset((int,))
_CACHED_BY_MODALITY: Mapping[str, Sequence[str]] = {modality: (f"{modality}_tokens", f"cached_{modality}_tokens") for modality in _MODALITIES}


def normal_usage(
    kind: str,
    usage: Mapping[str, Any] | None,
    *,
    tool_usage: Mapping[str, Any] | None = None,
    svg_usage: Mapping[str, Any] | None = None,
    service_tier: str | None = None,
    tool_calls: Mapping[str, int] | None = None,
) -> Usage | None:
    """The normal form of what the provider said; None if it said nothing. Never raises for what the JSON holds.

    `kind`: of the exchange, as in listings. `tool_usage`, `svg_usage`, `service_tier`: those that stand beside `usage` in a Response or an image answer.
    `tool_calls`: as counted in the output; they count where the provider gives no number.
    """
    usage, tool_usage, svg_usage = _object(usage), _object(tool_usage), _object(svg_usage)
    if not (tool_usage or svg_usage or tool_calls):
        if not usage:
            return None
        if kind != "messages" and (found_usual := _usual(usage, _text(service_tier))):
            return found_usual
    reading = _Reading(usage)
    anthropic = kind == "messages" and "prompt_tokens" not in usage
    found = _anthropic(reading) if anthropic else _openai(reading, kind)
    parts = [*found.pop("parts", ()), *_tool_parts(tool_usage, svg_usage)]
    found |= {
        "seconds": reading.seconds(),
        "tools": _tools(reading, tool_usage, tool_calls or {}) or None,
        "service_tier": _text(service_tier) or _text(usage.get("service_tier")),
        "parts": tuple(parts),
        "raw": usage,
        "raw_tools": tool_usage or None,
    }
    return Usage(**found, notes=tuple(dict.fromkeys(reading.notes)))


# Numbers.


class _Reading:
    """Takes counts out of a usage object, and notes what is no count."""

    def __init__(self, usage: dict[str, Any]) -> None:
        self.usage = usage
        self.notes: list[str] = []
        self._holders: dict[str, list[tuple[str, dict[str, Any]]]] = {}

    def count(self, *names: str, of: str | None = None) -> int | None:
        """The first of these that the object, or that object in it, gives."""
        holder = _object(self.usage.get(of)) if of else self.usage
        for name in names:
            value = holder.get(name)
            if value.__class__ is int and 0 <= value <= _MOST:  # as nearly all are
                return value
            if value is not None:
                return self._count(value, f"{of}.{name}" if of else name)
        return None

    def holders(self, side: str) -> list[tuple[str, dict[str, Any]]]:
        """The details of the input or the output, with what the API calls them."""
        found = self._holders.get(side)
        if found is None:
            found = self._holders[side] = [(of, holder) for of in _DETAILS[side] if isinstance(holder := self.usage.get(of), dict) and holder]
        return found

    def detail(self, side: str, *names: str) -> int | None:
        """The first of these that the details of the input or the output give."""
        for of, _ in self.holders(side):
            if (found := self.count(*names, of=of)) is not None:
                return found
        return None

    def modalities(self, holder: Mapping[str, Any], path: str, names: Mapping[str, Sequence[str]]) -> Modalities | None:
        counts = {}
        for modality, spelled in names.items():
            for name in spelled:
                if holder.get(name) is not None:
                    if (count := self._count(holder[name], f"{path}.{name}")) is not None:
                        counts[modality] = count
                    break
        return Modalities(**counts) if counts else None

    def side(self, side: str) -> tuple[Modalities | None, dict[str, Any], str]:
        """The modalities of the input or the output, with the details they stand in and the name of these."""
        for of, details in self.holders(side):
            return self.modalities(details, of, _BY_MODALITY), details, of
        return None, {}, ""

    def seconds(self) -> int | float | None:
        value = self.usage.get("seconds")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value * 10**6 <= _MOST:
            self.notes.append(f"seconds: {_shown(value)} is no duration")
            return None
        return value

    def _count(self, value: Any, path: str) -> int | None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if isinstance(value, float) and value.is_integer():
            value, whole = int(value), True
            self.notes.append(f"{path}: a float")
        if whole and 0 <= value <= _MOST:
            return int(value)
        self.notes.append(f"{path}: {_shown(value)} is no count")
        return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _shown(value: Any) -> str:
    """A value for a note: short, and fit for any database."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) <= 10**20 else "a huge number"
    return ascii(value)[:40] if isinstance(value, str | float | bool) else type(value).__name__


def _sum(*counts: int | None) -> int:
    return sum(count or 0 for count in counts)


# OpenAI, and all who speak its APIs.


def _usual(usage: dict[str, Any], service_tier: str | None) -> Usage | None:
    """What a Response of text tells, as nearly all are, at a fraction of the price; None: it has to be looked at closely."""
    try:
        whole, details, output, of_output, total = _usual_members(usage)
        cached, reasoning = details["cached_tokens"], of_output["reasoning_tokens"]
    except (KeyError, TypeError):
        return None
    told = "cache_write_tokens" in details
    if len(usage) != _USUAL or len(of_output) != 1 or len(details) != 1 + told:
        return None
    wrote = details["cache_write_tokens"] if told else 0
    if {*map(type, (whole, output, total, reasoning, cached, wrote))} != _NUMBERS:
        return None
    rest = whole - cached - wrote
    if min(cached, wrote, rest, reasoning) < 0 or reasoning > output or whole + output != total or total > _MOST:
        return None
    return Usage(whole, rest, cached, CacheWrites(wrote, ttl_unknown=wrote) if told else None, output, reasoning, total, service_tier=service_tier, raw=usage)


def _openai(reading: _Reading, kind: str) -> dict[str, Any]:
    read = reading.count
    whole, output, total = read("input_tokens", "prompt_tokens"), read("output_tokens", "completion_tokens"), read("total_tokens")
    if whole is None and total is not None and kind == "embeddings":
        whole = total
        reading.notes.append("input: taken from the total")
    cached = reading.detail("input", "cached_tokens")
    cached = read(*_CACHED_BESIDE) if cached is None else cached
    writes, reasoning = _openai_writes(reading), reading.detail("output", "reasoning_tokens")
    output = _whole_output(reading, (whole, output, reasoning, total))
    input_modalities, details, of = reading.side("input")
    of_cached = _cached_modalities(reading, details, of)
    output_modalities = reading.side("output")[0]
    _check_modalities(reading, "input", input_modalities, whole)
    _check_modalities(reading, "cached input", of_cached, cached)
    _check_modalities(reading, "output", output_modalities, output)
    return {
        "input": whole,
        "uncached_input": _uncached(reading, whole, cached, writes),
        "cached_input": cached,
        "cache_writes": writes,
        "output": output,
        "reasoning": reasoning,
        "total": total,
        "input_modalities": input_modalities,
        "cached_modalities": of_cached,
        "output_modalities": output_modalities,
    }


def _cached_modalities(reading: _Reading, details: Mapping[str, Any], of: str) -> Modalities | None:
    for holder, path in ((details, f"{of}."), (reading.usage, "")):
        if inner := _object(holder.get("cached_tokens_details")):
            found = reading.modalities(inner, f"{path}cached_tokens_details", _CACHED_BY_MODALITY)
            if found is not None:
                return found
    return None


def _openai_writes(reading: _Reading) -> CacheWrites | None:
    total = reading.detail("input", "cache_write_tokens")
    if total is None:
        total = reading.count("cache_creation_input_tokens")
    by_time = next((found for _, holder in reading.holders("input") if (found := _object(holder.get("cache_write_tokens_details")))), {})
    if not by_time and total is None:
        return None
    inner = _Reading({"cache_write_tokens_details": by_time})
    times = {name: inner.count(f"{name}_tokens", of="cache_write_tokens_details") for name in ("ttl_30m", "ttl_12h")}
    reading.notes += inner.notes
    return _writes(reading, total, times)


def _writes(reading: _Reading, total: int | None, times: dict[str, int | None]) -> CacheWrites | None:
    known = _sum(*times.values())
    if total is None and not any(count is not None for count in times.values()):
        return None
    if total is None:
        return CacheWrites(**times)
    if known > total:
        reading.notes.append("cache writes: more by time than in all")
    said = any(count is not None for count in times.values())
    return CacheWrites(total=total, **times, ttl_unknown=total - known if total > known or not said else None)


def _uncached(reading: _Reading, whole: int | None, cached: int | None, writes: CacheWrites | None) -> int | None:
    if whole is None:
        return None
    rest = whole - _sum(cached, written(writes))
    if rest < 0:
        reading.notes.append("input: less than what of it was cached or written")
        return None
    return rest


def written(writes: CacheWrites | None) -> int | None:
    """All tokens written to the cache."""
    if writes is None:
        return None
    return writes.total if writes.total is not None else _sum(writes.ttl_5m, writes.ttl_30m, writes.ttl_1h, writes.ttl_12h, writes.ttl_unknown)


def _whole_output(reading: _Reading, counts: tuple[int | None, ...]) -> int | None:
    """The output with its reasoning: xAI, for one, counts that beside the output of chat completions, as its total shows."""
    whole, output, reasoning, total = counts
    if output is not None and total is not None and total != _sum(whole, output):
        if reasoning and total == _sum(whole, output, reasoning):
            reading.notes.append("output: reasoning was counted beside it")
            return output + reasoning
        reading.notes.append("total: not input and output together")
    if output is not None and reasoning is not None and reasoning > output:
        reading.notes.append("reasoning: more than the output")
    return output


def _check_modalities(reading: _Reading, name: str, modalities: Modalities | None, whole: int | None) -> None:
    if modalities and whole is not None and _sum(modalities.text, modalities.audio, modalities.image, modalities.video) > whole:
        reading.notes.append(f"{name}: less than its modalities together")


# Anthropic.


def _anthropic(reading: _Reading) -> dict[str, Any]:
    read = reading.count
    uncached, cached, output = read("input_tokens"), read("cache_read_input_tokens"), read("output_tokens")
    times = {f"ttl_{time}": read(f"ephemeral_{time}_input_tokens", of="cache_creation") for time in ("5m", "1h")}
    writes = _writes(reading, read("cache_creation_input_tokens"), times)
    reasoning = reading.detail("output", "thinking_tokens", "reasoning_tokens")
    if output is not None and reasoning is not None and reasoning > output:
        reading.notes.append("reasoning: more than the output")
    return {
        "input": None if uncached is None else _sum(uncached, cached, written(writes)),
        "uncached_input": uncached,
        "cached_input": cached,
        "cache_writes": writes,
        "output": output,
        "reasoning": reasoning,
        "total": read("total_tokens"),
        "speed": _text(reading.usage.get("speed")),
        "region": _text(reading.usage.get("inference_geo")),
        "parts": _iterations(reading, uncached, output),
    }


def _iterations(reading: _Reading, uncached: int | None, output: int | None) -> list[UsagePart]:
    """The passes a message took. The counts of the message are those of the passes of the last one's type; a compaction before them is not among them."""
    listed = reading.usage.get("iterations")
    passes = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    last = _text(passes[-1].get("type")) if passes else None
    parts = []
    for each in passes:
        usage = normal_usage("messages", {key: value for key, value in each.items() if key != "iterations"})
        name = _text(each.get("type")) or "message"
        if usage is not None:
            parts.append(UsagePart(name=name, model=_text(each.get("model")), included=name == last, usage=usage))
    counted = [part.usage for part in parts if part.included]
    if counted and (_sum(*(each.uncached_input for each in counted)), _sum(*(each.output for each in counted))) != (_sum(uncached), _sum(output)):
        reading.notes.append("iterations: they do not add up")
    return parts


# Tools.

_REQUESTS, _CALLS = "_requests", "_calls"


def _tools(reading: _Reading, tool_usage: dict[str, Any], calls: Mapping[str, int]) -> dict[str, int]:
    """Calls of hosted tools: as OpenAI says them, or Anthropic, or xAI, else as counted."""
    said: dict[str, int] = {}
    if not (tool_usage or calls or "server_tool_use" in reading.usage or "server_side_tool_usage_details" in reading.usage):
        return said
    for of, ending in (("server_tool_use", _REQUESTS), ("server_side_tool_usage_details", _CALLS)):
        for name in _object(reading.usage.get(of)):
            if isinstance(name, str) and name.endswith(ending) and (count := reading.count(name, of=of)) is not None:
                said[name.removesuffix(ending)] = count
    inner = _Reading(tool_usage)
    for name in tool_usage:
        if (count := inner.count("num_requests", of=name)) is not None:
            said[name] = count
    reading.notes += (f"tool_usage.{note}" for note in inner.notes)
    if "web_search_preview" in calls and said.get("web_search"):  # it was that tool that searched
        said["web_search_preview"] = said.pop("web_search")
    return {**calls, **said}


def _tool_parts(tool_usage: dict[str, Any], svg_usage: dict[str, Any]) -> Iterable[UsagePart]:
    for name, raw in (("image_generation", _object(tool_usage.get("image_gen"))), ("svg", svg_usage)):
        if not raw:
            continue
        flat = {**raw, "output_tokens_details": {"reasoning_tokens": raw["reasoning_tokens"]}} if "reasoning_tokens" in raw else raw
        if (usage := normal_usage("images", flat)) is not None:
            yield UsagePart(name=name, model=_text(raw.get("model")), usage=usage._replace(raw=raw))


# Sums.


def added(usages: Iterable[Usage]) -> Usage | None:
    """What several answers of one exchange used together, as on a Realtime connection; None for none. What none of them says stays unsaid.

    Seconds of Live sessions are cumulative: of these, give the last one only.
    """
    listed = list(usages)
    if len(listed) < 2:
        return listed[0] if listed else None
    tools: dict[str, int] = {}
    for usage in listed:
        for name, calls in (usage.tools or {}).items():
            tools[name] = tools.get(name, 0) + calls
    counts = {name: _added(getattr(usage, name) for usage in listed) for name in _COUNTS}
    parts = {name: _added_parts(kind, [getattr(usage, name) for usage in listed]) for name, kind in _ADDED_PARTS.items()}
    same: dict[str, Any] = {name: _only({getattr(usage, name) for usage in listed}) for name in ("service_tier", "speed", "region")}
    return Usage(
        **counts,
        **parts,
        **same,
        tools=tools or None,
        parts=tuple(part for usage in listed for part in usage.parts),
        notes=tuple(dict.fromkeys(note for usage in listed for note in usage.notes)),
        raw={"added": [usage.raw for usage in listed]},
    )


_COUNTS = ("input", "uncached_input", "cached_input", "output", "reasoning", "total", "seconds")
_ADDED_PARTS: Mapping[str, type[CacheWrites] | type[Modalities]] = {
    "cache_writes": CacheWrites,
    "input_modalities": Modalities,
    "cached_modalities": Modalities,
    "output_modalities": Modalities,
}


def _added(counts: Iterable[Any]) -> Any:
    said = [count for count in counts if count is not None]
    return sum(said) if said else None


def _added_parts(kind: type[CacheWrites] | type[Modalities], parts: Sequence[Any]) -> Any:
    said = [part for part in parts if part is not None]
    return kind(**{name: _added(getattr(part, name) for part in said) for name in kind._fields}) if said else None


def _only(values: set[str | None]) -> str | None:
    """The one value that all have; None if they differ."""
    return values.pop() if len(values) == 1 else None
