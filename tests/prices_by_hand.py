"""Prices computed by hand: what was used, what that costs by the providers' price lists, and the arithmetic.

Amounts are in US dollars. `/ MILLION`: list prices of tokens are for a million of them; `/ THOUSAND`: those of calls for a thousand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal as D  # noqa: N817 (it stands before every price)
from typing import Any

from playhead.proxy.pricing.priced import Billable
from playhead.proxy.pricing.pricing import usage_of

MILLION, THOUSAND = 1_000_000, 1_000
OPENAI, EU, ANTHROPIC = "https://api.openai.com", "https://eu.api.openai.com", "https://api.anthropic.com"
GROQ = "https://api.groq.com"


@dataclass(frozen=True)
class Case:
    """One price. `raw`: the usage as the provider says it. `day`: of the request, UTC. `assume`: the settings in force."""

    name: str
    model: str
    raw: Mapping[str, Any] | None
    usd: D | None
    tier: str | None = "default"
    day: str = "2026-11-20"
    kind: str = "responses"
    upstream: str = OPENAI
    path: str = "/v1/responses"
    batch: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    assume: str = "none"

    def billable(self) -> Billable:
        at_ns = int(datetime.fromisoformat(self.day).replace(tzinfo=UTC).timestamp()) * 10**9
        usage = usage_of(self.kind, self.raw, self.extra, self.tier)
        return Billable(self.kind, self.path, self.upstream, self.model, at_ns, usage, self.tier, self.batch, self.extra)


def used(input_: int, output: int, *, cached: int = 0, w30: int = 0, w12: int = 0, reasoning: int = 0, ttl: bool = True) -> dict[str, Any]:
    """The usage of a Response."""
    details: dict[str, Any] = {"cached_tokens": cached, "cache_write_tokens": w30 + w12}
    if ttl:
        details["cache_write_tokens_details"] = {"ttl_30m_tokens": w30, "ttl_12h_tokens": w12}
    into = {"input_tokens": input_, "input_tokens_details": details, "total_tokens": input_ + output}
    return into | {"output_tokens": output, "output_tokens_details": {"reasoning_tokens": reasoning}}


def chatted(prompt: int, completion: int, **details: int) -> dict[str, Any]:
    into = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    out = {name[4:]: value for name, value in details.items() if name.startswith("out_")}
    given = {name: value for name, value in details.items() if not name.startswith("out_")}
    return into | {"prompt_tokens_details": given, "completion_tokens_details": {"reasoning_tokens": 0, **out}}


def said(input_: int, output: int, *, read: int = 0, w5m: int = 0, w1h: int = 0, **more: Any) -> dict[str, Any]:
    """The usage of an Anthropic message: its input excludes the cache."""
    writes = {"cache_creation_input_tokens": w5m + w1h, "cache_creation": {"ephemeral_5m_input_tokens": w5m, "ephemeral_1h_input_tokens": w1h}}
    return {"input_tokens": input_, "cache_read_input_tokens": read, **writes, "output_tokens": output, **more}


def spoken(text: int, audio: int, image: int, cached: tuple[int, int, int], out: tuple[int, int]) -> dict[str, Any]:
    """The usage of a Realtime response: text, audio, image in; of these cached; text, audio out."""
    of_cached = dict(zip(("text_tokens", "audio_tokens", "image_tokens"), cached, strict=True))
    into = {"text_tokens": text, "audio_tokens": audio, "image_tokens": image, "cached_tokens": sum(cached), "cached_tokens_details": of_cached}
    tokens = {"input_tokens": text + audio + image, "output_tokens": sum(out), "total_tokens": text + audio + image + sum(out)}
    return tokens | {"input_token_details": into, "output_token_details": {"text_tokens": out[0], "audio_tokens": out[1]}}


def imaged(text: int, image: int, out_text: int, out_image: int) -> dict[str, Any]:
    """The usage of an image answer."""
    tokens = {"input_tokens": text + image, "output_tokens": out_text + out_image, "total_tokens": text + image + out_text + out_image}
    details = {"input_tokens_details": {"text_tokens": text, "image_tokens": image}}
    return tokens | details | {"output_tokens_details": {"text_tokens": out_text, "image_tokens": out_image}}


ASTRA = "gpt-6-astra"  # 10 in, 1 cached, 12.50 written for 30 minutes, 25 for 12 hours, 50 out

RESPONSES = [
    Case("input and output", ASTRA, used(1000, 200), (1000 * D("10") + 200 * D("50")) / MILLION),
    Case("cached input", ASTRA, used(1000, 200, cached=400), (600 * D("10") + 400 * D("1") + 200 * D("50")) / MILLION),
    Case("writes for 30 minutes", ASTRA, used(1000, 200, w30=300), (700 * D("10") + 300 * D("12.50") + 200 * D("50")) / MILLION),
    Case("writes for 12 hours", ASTRA, used(1000, 200, w12=300), (700 * D("10") + 300 * D("25") + 200 * D("50")) / MILLION),
    Case(
        "all cache classes at once",
        ASTRA,
        used(10000, 500, cached=4000, w30=2000, w12=1000),
        (3000 * D("10") + 4000 * D("1") + 2000 * D("12.50") + 1000 * D("25") + 500 * D("50")) / MILLION,
    ),
    Case("the example of the protocol page", ASTRA, used(10000, 500, cached=4000, w30=3000), D("0.0965")),
    Case("reasoning is output", ASTRA, used(100, 900, reasoning=800), (100 * D("10") + 900 * D("50")) / MILLION),
    Case("a warm-up without output", ASTRA, used(5000, 0, w30=4000), (1000 * D("10") + 4000 * D("12.50")) / MILLION),
    Case("nothing at all was used", ASTRA, used(0, 0), D("0")),
    Case("compaction", ASTRA, used(20000, 300), (20000 * D("10") + 300 * D("50")) / MILLION, path="/v1/responses/compact"),
    Case("a multi-agent Response has one total", "gpt-6-sol", used(70000, 9000), (70000 * D("2") + 9000 * D("10")) / MILLION, extra={"mode": "pro"}),
]
TIERS = [
    Case("flex", ASTRA, used(1000, 200, cached=400), (600 * D("5") + 400 * D("0.50") + 200 * D("25")) / MILLION, "flex"),
    Case("priority", ASTRA, used(1000, 200, cached=400), (600 * D("20") + 400 * D("2") + 200 * D("100")) / MILLION, "priority"),
    Case("fast is priority by its new name", ASTRA, used(1000, 200), (1000 * D("20") + 200 * D("100")) / MILLION, "fast"),
    Case("ultrafast", ASTRA, used(1000, 200, cached=400), (600 * D("60") + 400 * D("6") + 200 * D("300")) / MILLION, "ultrafast"),
    Case("ultrafast writes", ASTRA, used(900, 0, w30=300, w12=400), (200 * D("60") + 300 * D("75") + 400 * D("150")) / MILLION, "ultrafast"),
    Case("batch", ASTRA, used(1000, 200, cached=400), (600 * D("5") + 400 * D("0.50") + 200 * D("25")) / MILLION, batch=True),
    Case("batch of an older model", "gpt-4.1", used(1000, 200), (1000 * D("1") + 200 * D("4")) / MILLION, batch=True),
    Case("flex writes", "gpt-6-sol", used(900, 10, w30=300, w12=400), (200 * D("1") + 300 * D("1.25") + 400 * D("2.50") + 10 * D("5")) / MILLION, "flex"),
    Case("priority of gpt-4.1 is 1.75 times", "gpt-4.1", used(1000, 200), (1000 * D("3.50") + 200 * D("14")) / MILLION, "priority"),
    Case("priority of gpt-5-mini is 1.8 times", "gpt-5-mini", used(1000, 200), (1000 * D("0.45") + 200 * D("3.60")) / MILLION, "priority"),
    Case("ultrafast of gpt-6.2-sol is 3 times at first", "gpt-6.2-sol", used(1000, 200), (1000 * D("6") + 200 * D("30")) / MILLION, "ultrafast"),
    Case("and 6 times later", "gpt-6.2-sol", used(1000, 200), (1000 * D("12") + 200 * D("60")) / MILLION, "ultrafast", "2027-03-01"),
    Case("fast of gpt-6.2-sol", "gpt-6.2-sol", used(1000, 200), (1000 * D("4") + 200 * D("20")) / MILLION, "fast"),
    Case("a tier that the settings assume", ASTRA, used(1000, 0), 1000 * D("10") / MILLION, None, assume="tier=default"),
    Case("the tier that was asked for, where it cannot be another", "gpt-4.1", used(1000, 0), 1000 * D("2") / MILLION, None, extra={"asked_tier": "default"}),
]
LONG = [
    Case("at the limit", ASTRA, used(272_000, 1000), (272_000 * D("10") + 1000 * D("50")) / MILLION),
    Case("above it, all of the request", ASTRA, used(272_001, 1000), (272_001 * D("20") + 1000 * D("75")) / MILLION),
    Case("what is cached counts for the limit", ASTRA, used(300_000, 10, cached=299_000), (1000 * D("20") + 299_000 * D("2") + 10 * D("75")) / MILLION),
    Case("long writes", ASTRA, used(300_000, 0, w30=1000, w12=2000), (297_000 * D("20") + 1000 * D("25") + 2000 * D("50")) / MILLION),
    Case("a limit that the library does not have", "gpt-5.6-cyber", used(272_001, 100), (272_001 * D("25") + 100 * D("112.50")) / MILLION),
    Case("a batch below the limit in sum has no long request", ASTRA, used(272_000, 100), (272_000 * D("5") + 100 * D("25")) / MILLION, batch=True),
    Case("long flex", ASTRA, used(300_000, 1000), (300_000 * D("10") + 1000 * D("37.50")) / MILLION, "flex"),
    Case("long priority writes", ASTRA, used(300_000, 0, w12=1000), (299_000 * D("40") + 1000 * D("100")) / MILLION, "priority"),
    Case("long ultrafast", ASTRA, used(300_000, 1000), (300_000 * D("120") + 1000 * D("450")) / MILLION, "ultrafast"),
    Case("a model without a limit", "gpt-4.1", used(900_000, 1000), (900_000 * D("2") + 1000 * D("8")) / MILLION),
    Case("a long context of our own table", "gpt-6.2-sol", used(300_000, 10, w12=1), (299_999 * D("4") + 1 * D("10") + 10 * D("15")) / MILLION),
]
MODELS = [
    Case("gpt-6-luna", "gpt-6-luna", used(1_000_000, 100, cached=900_000), (100_000 * D("0.20") + 900_000 * D("0.02") + 100 * D("0.75")) / MILLION),
    Case("gpt-6.1-sol has cheaper cache reads", "gpt-6.1-sol", used(1000, 100, cached=900), (100 * D("2") + 900 * D("0.10") + 100 * D("10")) / MILLION),
    Case("gpt-6.2-astra", "gpt-6.2-astra", used(1000, 100, cached=900), (100 * D("8") + 900 * D("0.40") + 100 * D("40")) / MILLION),
    Case("gpt-daybreak-red-latest", "gpt-daybreak-red-latest", used(1000, 100), (1000 * D("12.50") + 100 * D("75")) / MILLION),
    Case("a dated id", "gpt-4.1-2025-04-14", used(1000, 100, cached=500), (500 * D("2") + 500 * D("0.50") + 100 * D("8")) / MILLION),
    Case("a dated id of our own table", "gpt-6.2-sol-2026-11-17", used(1000, 0), 1000 * D("2") / MILLION),
    Case("writes of a model without a price for them", "gpt-4.1", used(1000, 0, w30=300, ttl=False), 1000 * D("2") / MILLION),
    Case("cached input of a model without a price for it", "gpt-5-pro", used(1000, 0, cached=500), 1000 * D("15") / MILLION),
    Case("a dated id that no list names", "gpt-5-search-api-2025-10-14", used(1000, 0), 1000 * D("1.25") / MILLION + D("10") / THOUSAND),
    Case("a fine-tuned model's cached input", "ft:gpt-4.1-2025-04-14:a::x", used(1000, 0, cached=400), (600 * D("3") + 400 * D("0.75")) / MILLION),
    Case("a fine-tuned model", "ft:gpt-4o-mini-2024-07-18:acme::x1", used(1000, 10), (1000 * D("0.30") + 10 * D("1.20")) / MILLION),
]
DATES = [
    Case("the day before a price cut", "gpt-5.6-sol", used(1000, 100), (1000 * D("5") + 100 * D("30")) / MILLION, day="2026-08-20"),
    Case("the day of it", "gpt-5.6-sol", used(1000, 100), (1000 * D("4") + 100 * D("20")) / MILLION, day="2026-08-21"),
    Case("o3 before its price cut", "o3", used(1000, 100), (1000 * D("10") + 100 * D("40")) / MILLION, day="2025-06-09"),
    Case("o3 after it", "o3", used(1000, 100), (1000 * D("2") + 100 * D("8")) / MILLION, day="2025-06-10"),
    Case("flex before the library's first day", "o3", used(1000, 100), (1000 * D("5") + 100 * D("20")) / MILLION, "flex", "2025-05-01"),
    Case("flex follows the standard price of its time", "gpt-5.6-sol", used(1000, 0), 1000 * D("2.50") / MILLION, "flex", "2026-08-01"),
    Case("priority before the library's first day", "gpt-4.1", used(1000, 100), (1000 * D("3.50") + 100 * D("14")) / MILLION, "priority", "2026-01-01"),
    Case("priority that is no round factor", "gpt-4o-mini", used(1000, 100), (1000 * D("0.25") + 100 * D("1")) / MILLION, "priority", "2026-01-01"),
    Case("batch before the library's first day", "gpt-4.1", used(1000, 100), (1000 * D("1") + 100 * D("4")) / MILLION, day="2026-01-01", batch=True),
]
REGIONS = [
    Case("the EU costs a tenth more", ASTRA, used(1000, 100, cached=500), (500 * D("11") + 500 * D("1.10") + 100 * D("55")) / MILLION, upstream=EU),
    Case("so does Japan", ASTRA, used(1000, 0), 1000 * D("11") / MILLION, upstream="https://jp.api.openai.com"),
    Case("so does its pro model", "gpt-5.5-pro-2026-04-23", used(1000, 10), (1000 * D("33") + 10 * D("198")) / MILLION, upstream=EU),
    Case("not for older models", "gpt-4.1", used(1000, 0), 1000 * D("2") / MILLION, upstream=EU),
    Case("nor for tools", ASTRA, used(1000, 0), 1000 * D("11") / MILLION + 2 * D("10") / THOUSAND, upstream=EU, extra={"calls": {"web_search": 2}}),
    Case("tier and region together", ASTRA, used(1000, 0), 1000 * D("5.50") / MILLION, "flex", upstream=EU),
    Case("an upstream nobody knows", ASTRA, used(1000, 0), 1000 * D("10") / MILLION, upstream="http://localhost:9", assume="provider=path,region=global"),
    Case("Azure, with the region assumed", "gpt-4.1", used(1000, 0), 1000 * D("2") / MILLION, upstream="https://x.openai.azure.com", assume="region=global"),
]
TOOLS = [
    Case("searches as the answer counts them", "gpt-5", used(0, 0), 3 * D("10") / THOUSAND, extra={"tool_usage": {"web_search": {"num_requests": 3}}}),
    Case("searches counted in the output", "gpt-5", used(0, 0), 2 * D("10") / THOUSAND, extra={"calls": {"web_search": 2}}),
    Case("the preview of search", "gpt-4o", used(0, 0), 2 * D("25") / THOUSAND, extra={"calls": {"web_search_preview": 2}}),
    Case("the preview on a reasoning model", "o4-mini", used(0, 0), 2 * D("10") / THOUSAND, extra={"calls": {"web_search_preview": 2}}),
    Case("file search", "gpt-4.1", used(100, 0), 100 * D("2") / MILLION + 4 * D("2.50") / THOUSAND, extra={"calls": {"file_search": 4}}),
    Case(
        "a container of 4 GB for 20 minutes",
        "gpt-5",
        used(0, 0),
        20 * D("0.12") / 20,
        extra={"calls": {"code_interpreter": 3, "container": 1}, "memory": "4g"},
        assume="minutes=20",
    ),
    Case(
        "two containers for at least 5 minutes each",
        "gpt-5",
        used(0, 0),
        2 * 5 * D("0.03") / 20,
        extra={"calls": {"container": 2}},
        assume="minutes=1,memory=1g",
    ),
    Case(
        "Anthropic's search",
        "claude-opus-5",
        said(0, 0, server_tool_use={"web_search_requests": 2}),
        2 * D("10") / THOUSAND,
        "standard",
        kind="messages",
        upstream=ANTHROPIC,
    ),
    Case("tools without a price are free", "gpt-5", used(100, 0), 100 * D("1.25") / MILLION, extra={"calls": {"tool_search": 3}}),
]
OTHERS = [
    Case(
        "the image tool's tokens",
        "gpt-5",
        used(1000, 10),
        (1000 * D("1.25") + 10 * D("10")) / MILLION + (50 * D("5") + 200 * D("8") + 4000 * D("32")) / MILLION,
        extra={"tool_usage": {"image_gen": imaged(50, 200, 0, 4000)}, "image_model": "gpt-image-1.5"},
    ),
    Case(
        "the image tool, its model assumed",
        "gpt-5",
        used(0, 0),
        (50 * D("5") + 4000 * D("40")) / MILLION,
        extra={"tool_usage": {"image_gen": imaged(50, 0, 0, 4000)}},
        assume="image_model=gpt-image-1",
    ),
    Case("images", "gpt-image-1.5", imaged(40, 300, 20, 4000), (40 * D("5") + 300 * D("8") + 20 * D("10") + 4000 * D("32")) / MILLION, None, kind="images"),
    Case("images with one price out", "gpt-image-1", imaged(40, 300, 0, 4000), (40 * D("5") + 300 * D("10") + 4000 * D("40")) / MILLION, None, kind="images"),
    Case(
        "speech to speech",
        "gpt-realtime",
        spoken(100, 1000, 0, (60, 800, 0), (50, 400)),
        (40 * D("4") + 60 * D("0.40") + 200 * D("32") + 800 * D("0.40") + 50 * D("16") + 400 * D("64")) / MILLION,
        None,
        kind="realtime",
    ),
    Case(
        "a small one with cached images",
        "gpt-realtime-mini",
        spoken(100, 1000, 500, (0, 600, 400), (0, 300)),
        (100 * D("0.60") + 400 * D("10") + 600 * D("0.30") + 100 * D("0.80") + 400 * D("0.08") + 300 * D("20")) / MILLION,
        None,
        kind="realtime",
    ),
    Case(
        "speech with its transcription",
        "gpt-realtime",
        spoken(10, 100, 0, (0, 0, 0), (0, 0))
        | {"input_audio_transcription": {"input_tokens": 90, "input_token_details": {"audio_tokens": 90}, "output_tokens": 20}},
        (10 * D("4") + 100 * D("32")) / MILLION + (90 * D("6") + 20 * D("10")) / MILLION,
        None,
        kind="realtime",
        assume="transcription_model=gpt-4o-transcribe",
    ),
    Case(
        "a transcription by tokens",
        "gpt-4o-transcribe",
        {"input_tokens": 120, "input_token_details": {"audio_tokens": 100, "text_tokens": 20}, "output_tokens": 30, "total_tokens": 150},
        (20 * D("2.50") + 100 * D("6") + 30 * D("10")) / MILLION,
        None,
        kind="audio",
    ),
    Case("a transcription by time", "whisper-1", {"type": "duration", "seconds": 90.5}, D("90.5") * D("0.36") / 3600, None, kind="audio"),
    Case("speech by its characters", "tts-1", None, 2000 * D("15") / MILLION, None, kind="audio", extra={"characters": 2000}),
    Case("a Live session", "gpt-live-1", {"seconds": 600}, 600 * D("3") / 3600, None, kind="realtime"),
    Case("embeddings", "text-embedding-3-large", {"prompt_tokens": 5000, "total_tokens": 5000}, 5000 * D("0.13") / MILLION, None, kind="embeddings"),
    Case(
        "embeddings in a batch",
        "text-embedding-3-small",
        {"prompt_tokens": 5000, "total_tokens": 5000},
        5000 * D("0.01") / MILLION,
        None,
        kind="embeddings",
        batch=True,
    ),
    Case("a decision pays its input only", "gpt-6-luna", used(5000, 7), 5000 * D("0.10") / MILLION, path="/v1/decisions", kind="other"),
    Case("chat", "gpt-4o", chatted(1000, 100, cached_tokens=600), (400 * D("2.50") + 600 * D("1.25") + 100 * D("10")) / MILLION, kind="chat.completions"),
    Case(
        "chat with sound",
        "gpt-audio",
        chatted(1000, 300, cached_tokens=0, audio_tokens=900, out_audio_tokens=250),
        (100 * D("2.50") + 900 * D("32") + 50 * D("10") + 250 * D("64")) / MILLION,
        kind="chat.completions",
    ),
    Case(
        "chat with sound of an older model, which the library takes for text",
        "gpt-4o-audio-preview-2025-06-03",
        chatted(1000, 300, cached_tokens=0, audio_tokens=900, out_audio_tokens=250),
        (100 * D("2.50") + 900 * D("40") + 50 * D("10") + 250 * D("80")) / MILLION,
        kind="chat.completions",
    ),
    Case(
        "chat that searches the web with every request",
        "gpt-4o-mini-search-preview",
        chatted(100, 10),
        (100 * D("0.15") + 10 * D("0.60")) / MILLION + D("25") / THOUSAND,
        kind="chat.completions",
    ),
    Case("chat in flex", "o4-mini", chatted(1000, 100), (1000 * D("0.55") + 100 * D("2.20")) / MILLION, "flex", kind="chat.completions"),
]


def claude(name: str, model: str, raw: Mapping[str, Any], usd: D, tier: str = "standard", day: str = "2026-11-20") -> Case:
    return Case(name, model, raw, usd, tier, day, "messages", ANTHROPIC, "/v1/messages")


MESSAGES = [
    claude("a message", "claude-opus-5", said(1000, 200), (1000 * D("5") + 200 * D("25")) / MILLION),
    claude("its input excludes the cache", "claude-opus-5", said(100, 10, read=5000), (100 * D("5") + 5000 * D("0.50") + 10 * D("25")) / MILLION),
    claude("writes for 5 minutes and for an hour", "claude-opus-5", said(100, 0, w5m=300, w1h=400), (100 * D("5") + 300 * D("6.25") + 400 * D("10")) / MILLION),
    claude("only in the USA", "claude-opus-5", said(1000, 200, inference_geo="us"), (1000 * D("5.50") + 200 * D("27.50")) / MILLION),
    claude("anywhere, as it says", "claude-opus-5", said(1000, 200, inference_geo="global"), (1000 * D("5") + 200 * D("25")) / MILLION),
    claude("a fast one", "claude-opus-5", said(1000, 200, speed="fast"), (1000 * D("10") + 200 * D("50")) / MILLION),
    claude("a batch", "claude-opus-5", said(1000, 200, read=100), (1000 * D("2.50") + 100 * D("0.25") + 200 * D("12.50")) / MILLION, "batch"),
    claude("an earlier batch", "claude-sonnet-4-6", said(1000, 200), (1000 * D("1.50") + 200 * D("7.50")) / MILLION, "batch", "2026-06-01"),
    claude("a long context", "claude-sonnet-4-5", said(150_000, 100, read=60_000), (150_000 * D("6") + 60_000 * D("0.60") + 100 * D("22.50")) / MILLION),
    claude(
        "a compaction before the message",
        "claude-opus-5",
        said(
            1000,
            200,
            iterations=[{"type": "compaction", "input_tokens": 500, "output_tokens": 50}, {"type": "message", "input_tokens": 1000, "output_tokens": 200}],
        ),
        (1000 * D("5") + 200 * D("25")) / MILLION + (500 * D("5") + 50 * D("25")) / MILLION,
    ),
]

PRICED = [*RESPONSES, *TIERS, *LONG, *MODELS, *DATES, *REGIONS, *TOOLS, *OTHERS, *MESSAGES]
