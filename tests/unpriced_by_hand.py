"""What has no price, or not for all of it, and why."""

from __future__ import annotations

from decimal import Decimal as D  # noqa: N817 (it stands before every price)

from prices_by_hand import ANTHROPIC, ASTRA, EU, GROQ, MILLION, THOUSAND, Case, chatted, imaged, said, spoken, used

UNPRICED: list[tuple[Case, str, D]] = [
    (Case("an unknown model", "gpt-99", used(10, 1), None), "no price table knows the model gpt-99 of openai on 2026-11-20", D("0")),
    (Case("an unknown tier", ASTRA, used(10, 1), None, "lightning"), "no price table has the service tier lightning for gpt-6-astra on 2026-11-20", D("0")),
    (
        Case("a tier the model does not have", "gpt-4.1", used(10, 1), None, "flex"),
        "no price table has the service tier flex for gpt-4.1 on 2026-11-20",
        D("0"),
    ),
    (
        Case("ultrafast of another model", "gpt-6-sol", used(10, 1), None, "ultrafast"),
        "no price table has the service tier ultrafast for gpt-6-sol on 2026-11-20",
        D("0"),
    ),
    (
        Case("ultrafast before it was sold", ASTRA, used(10, 1), None, "ultrafast", "2026-09-28"),
        "the service tier ultrafast for gpt-6-astra on 2026-09-28",
        D("0"),
    ),
    (Case("prepaid capacity", "gpt-4.1", used(10, 1), None, "scale"), "the tier scale is capacity paid for in advance, not by tokens", D("0")),
    (Case("auto", "gpt-4.1", used(10, 1), None, "auto"), "the answer says auto, which is no tier, and no setting assumes one", D("0")),
    (Case("no tier", "gpt-4.1", used(10, 1), None, None), "the answer names no service tier, and no setting assumes one", D("0")),
    (Case("null usage", ASTRA, None, None), "the answer told no usage", D("0")),
    (Case("no model", "", used(10, 1), None), "neither request nor answer names a model", D("0")),
    (
        Case("a completion window", "gpt-6.2-sol", used(10, 1), None, extra={"window": "8h"}),
        "no price table has the completion window 8h for gpt-6.2-sol on 2026-11-20",
        D("0"),
    ),
    (
        Case("a completion window of another tier", ASTRA, used(10, 1), None, "flex", extra={"window": "8h"}),
        "nobody says what the tier flex costs within a completion window",
        D("0"),
    ),
    (
        Case("a batch whose sum is above the limit", ASTRA, used(272_001, 1), None, batch=True),
        "it is the usage of many requests together, and long ones have another price",
        D("0"),
    ),
    (
        Case("a model of which nobody says what it costs in the EU", "gpt-6-cyber", used(10, 1), None, upstream=EU),
        "no price table says what gpt-6-cyber costs in region eu",
        D("0"),
    ),
    (
        Case("a tier of a provider whose tiers nobody knows", "llama-3.3-70b-versatile", chatted(10, 1), None, "flex", kind="chat.completions", upstream=GROQ),
        "no price table has the service tier flex for llama-3.3-70b-versatile",
        D("0"),
    ),
    (Case("output without input", ASTRA, {"output_tokens": 5}, None), "input: the usage does not tell the input", 5 * D("50") / MILLION),
    (Case("a total alone", ASTRA, {"total_tokens": 9}, None), "the usage does not tell its tokens", D("0")),
    (Case("nothing known in the usage", ASTRA, {"magic": 9}, None), "the usage does not tell its tokens", D("0")),
    (Case("tools without usage", "gpt-5", None, None, extra={"calls": {"web_search": 1}}), "input: the answer told no usage", D("10") / THOUSAND),
    (Case("more than anybody uses", ASTRA, used(10**15 + 1, 1), None), "input_tokens: 1000000000000001 is no count", D("0")),
    (
        Case(
            "the image tool's tokens are no number",
            ASTRA,
            used(1, 1),
            None,
            extra={"tool_usage": {"image_gen": {"input_tokens": "x"}}, "image_model": "gpt-image-1"},
        ),
        "the usage cannot be read: input_tokens: 'x' is no count",
        D("0"),
    ),
    (
        Case("sound of a model without a price of it", "gpt-4o", chatted(10, 2, audio_tokens=4, out_audio_tokens=1), None, kind="chat.completions"),
        "input_audio: no price table has a price of sound for the model",
        (6 * D("2.50") + 1 * D("10")) / MILLION,
    ),
    (Case("a region nobody has a price for", ASTRA, used(10, 1), None, upstream="https://zz.api.openai.com"), "costs in region zz", D("0")),
    (Case("an upstream nobody knows", ASTRA, used(10, 1), None, upstream="http://10.0.0.1"), "the upstream is no known provider's", D("0")),
    (Case("Azure, the region not told", "gpt-4.1", used(10, 1), None, upstream="https://x.openai.azure.com"), "in which region it ran", D("0")),
    (Case("a ChatGPT plan", ASTRA, used(10, 1), None, upstream="https://chatgpt.com/backend-api"), "a ChatGPT plan pays for it", D("0")),
    (
        Case("how long a write lasts is not told", ASTRA, used(1000, 0, w30=300, ttl=False), None),
        "cache_write: the usage does not tell how long it stays in the cache, and no setting assumes it",
        700 * D("10") / MILLION,
    ),
    (
        Case("an answer that was not read whole", "gpt-5", used(1000, 0), None, extra={"unread": True}),
        "tools: the answer was too long to be read whole, and may have calls of tools",
        1000 * D("1.25") / MILLION,
    ),
    (
        Case("a container's time", "gpt-5", used(1000, 0), None, extra={"calls": {"container": 1}, "memory": "1g"}),
        "container: the answer does not tell how long it lived, and no setting assumes it",
        1000 * D("1.25") / MILLION,
    ),
    (
        Case("a container's memory", "gpt-5", used(0, 0), None, extra={"calls": {"code_interpreter": 1}}, assume="minutes=20"),
        "container: the answer does not tell its memory, and no setting assumes it",
        D("0"),
    ),
    (
        Case("the image tool's model", "gpt-5", used(1000, 0), None, extra={"tool_usage": {"image_gen": imaged(1, 0, 0, 9)}}),
        "image_generation: the answer does not name its model, and no setting assumes it",
        1000 * D("1.25") / MILLION,
    ),
    (
        Case(
            "an image model by an internal name",
            "gpt-5",
            used(1000, 0),
            None,
            extra={"tool_usage": {"image_gen": imaged(1, 0, 0, 9)}, "image_model": "gpt-image-2-codex"},
        ),
        "image_generation: no price table knows the model gpt-image-2-codex of openai on 2026-11-20",
        1000 * D("1.25") / MILLION,
    ),
    (
        Case("image calls without their tokens", "gpt-5", used(1000, 0), None, extra={"calls": {"image_generation": 2}}),
        "image_generation: the answer does not tell its tokens",
        1000 * D("1.25") / MILLION,
    ),
    (
        Case("a tool nobody has a price for", "gpt-5", used(0, 0), None, extra={"tool_usage": {"moon_search": {"num_requests": 2}}}),
        "moon_search: no price table has a price of its calls",
        D("0"),
    ),
    (
        Case("more cached than there was", ASTRA, used(100, 10, cached=200), None),
        "input: the usage contradicts itself: more was cached or written than there was input",
        10 * D("50") / MILLION,
    ),
    (
        Case("sound that is not told from text", "gpt-audio", {"prompt_tokens": 10, "completion_tokens": 0}, None, kind="chat.completions"),
        "input: the usage does not tell text from audio and images, which have prices of their own",
        D("0"),
    ),
    (
        Case("Anthropic's committed capacity", "claude-opus-5", said(10, 1), None, "priority", kind="messages", upstream=ANTHROPIC),
        "the tier priority is capacity paid for in advance, not by tokens",
        D("0"),
    ),
    (
        Case("Anthropic in the USA, an older model", "claude-opus-4-5", said(10, 1, inference_geo="us"), None, "standard", kind="messages", upstream=ANTHROPIC),
        "in region us",
        D("0"),
    ),
    (
        Case(
            "what transcribed on a Realtime connection",
            "gpt-realtime",
            spoken(10, 0, 0, (0, 0, 0), (0, 0)) | {"input_audio_transcription": {"input_tokens": 9}},
            None,
            None,
            kind="realtime",
        ),
        "input_audio_transcription: the answer does not name its model, and no setting assumes it",
        10 * D("4") / MILLION,
    ),
]
"""Cases, a part of the reason, and what of it has a price, in dollars."""
