"""Secrets that can be told from everything else, in every place where a client or an upstream puts secrets; and the search for what is left of them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes import Header

MARK = "cnryZq7Kx9"  # every canary begins and ends with it, so that half a canary is found too


@dataclass
class Canaries:
    """Makes canaries and knows where each was put."""

    places: list[str] = field(default_factory=list)

    def new(self, place: str) -> str:
        """A secret that is not like any other: letters and digits, as keys are."""
        self.places.append(place)
        return f"{MARK}{len(self.places) - 1:06d}{MARK}"

    def place(self, text: bytes) -> str:
        """Where the canary was put of which this is the surrounding."""
        numbers = [int(number) for number in re.findall(rb"9(\d{6})", text)]
        return next((self.places[number] for number in numbers if number < len(self.places)), "unknown")

    def head(self, way: str) -> list[Header]:
        """Every secret request header of PROTOCOL.md section 6, and the credential in many forms."""

        def new(place: str) -> bytes:
            return self.new(f"{way}: header {place}").encode()

        basic = base64.b64encode(b"user:" + new("Proxy-Authorization"))
        signed = b"AWS4-HMAC-SHA256 Credential=AKIAXXXXXXXXXXXX/20261122/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=%b"
        return [
            (b"Authorization", b"Bearer sk-proj-" + new("Authorization")),
            (b"authorization", signed % new("Authorization, signature")),
            (b"AUTHORIZATION", b"ek_" + new("Authorization, no scheme")),
            (b"Proxy-Authorization", b"Basic " + basic),
            (b"api-key", new("api-key")),
            (b"X-Api-Key", new("x-api-key")),
            (b"x-goog-api-key", new("x-goog-api-key")),
            (b"x-amz-security-token", new("x-amz-security-token")),
            (b"Cookie", b"theme=dark; sid=" + new("Cookie") + b"; other=" + new("Cookie")),
            (b"ChatGPT-Account-ID", new("ChatGPT-Account-ID")),
            (b"x-oai-attestation", new("x-oai-attestation")),
            (b"x-codex-turn-state", new("x-codex-turn-state")),
            (b"x-codex-turn-metadata", b'{"turn_id":"' + new("x-codex-turn-metadata") + b'"}'),
            (b"Sec-WebSocket-Protocol", b"realtime, openai-insecure-api-key." + new("subprotocol") + b", openai-beta.realtime-v1"),
        ]

    def query(self, way: str) -> bytes:
        """Secret parameters of a target."""
        names = (
            "api-key",
            "api%2Dkey",
            "key",
            "sig",
            "token",
            "X-Amz-Signature",
            "X-Amz-Security-Token",
            "X-Amz-Credential",
            "x-goog-signature",
            "access_token",
        )
        return b"&".join([b"api-version=1", *(f"{name}={self.new(f'{way}: query {name}')}".encode() for name in names), b"beta=true"])

    def document(self, way: str, again: str) -> dict[str, Any]:
        """A request with secrets in every field that may hold one. `again`: a secret of the head, which stands in texts as well."""

        def new(place: str) -> str:
            return self.new(f"{way}: body {place}")

        amazon = "https://b.s3.amazonaws.com/a/b.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Security-Token={}&X-Amz-Signature={}"
        google = "https://storage.googleapis.com/b/o?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential={}&X-Goog-Signature={}"
        policy = {"type": "allowlist", "domain_secrets": [{"domain": "x.example", "name": "N", "value": new("domain_secrets")} for _ in range(2)]}
        shell = {"type": "exec", "command": ["env"], "env": {"PATH": "/bin", "OPENAI_API_KEY": new("env"), "OTHER": new("env, other name")}}
        headers = {"Authorization": f"Bearer {new('mcp headers')}", "X-Custom": new("mcp headers, other name")}
        return {
            "type": "response.create",
            "model": "gpt-5-mini",
            "instructions": f"my key is {again}, is it not?",
            "tools": [
                {
                    "type": "mcp",
                    "server_url": f"https://x.example/mcp?token={new('server_url')}",
                    "authorization": new("mcp authorization"),
                    "headers": headers,
                },
                {"type": "mcp", "server_label": "b", "authorization": f"Bearer {new('mcp authorization')}"},
                {"type": "code_interpreter", "container": {"type": "auto", "network_policy": policy}},
            ],
            "client_secret": {"expires_at": 1, "value": new("client_secret.value")},
            "session": {"client_secret": new("client_secret")},
            "input": [
                {"type": "input_image", "image_url": amazon.format(*(new("signed URL, Amazon") for _ in range(3)))},
                {"type": "input_file", "file_url": f"https://x.blob.core.windows.net/f?sv=2024-11-04&se=2026-11-23&sp=r&sig={new('signed URL, Azure')}%3D"},
                {"type": "input_file", "file_url": google.format(new("signed URL, Google"), new("signed URL, Google"))},
                {"type": "input_file", "file_url": f"https://d.cloudfront.net/x?Expires=1&Signature={new('signed URL, CloudFront')}&Key-Pair-Id=K1"},
                {"type": "input_text", "text": f"see https://x.example/?api-key={new('URL in a text')}&a=b, and {again}"},
                {"type": "local_shell_call", "call_id": "call_1", "action": shell},
            ],
        }

    def search(self, data: bytes, where: str) -> list[str]:
        """What is left of canaries in those bytes: plain, in base64, escaped; each as the place where it was put and the place where it was found."""
        return [f"{self.place(data[max(0, at - 8) : at + 200])} -> {where}: {data[max(0, at - 60) : at + 60]!r}" for at in occurrences(data)]


def _base64_forms(text: bytes) -> Iterator[bytes]:
    """How the text begins or goes on in base64, at each of the three places where it may begin: without the letters that depend on its neighbours."""
    for lead in range(3):
        coded = base64.b64encode(b"\0" * lead + text)
        start, end = -(-lead * 8 // 6), (lead + len(text)) * 8 // 6
        yield re.escape(coded[start:end])


def _escaped(letter: str) -> bytes:
    code = f"{ord(letter):02x}"
    return rf"(?:{letter}|(?i:\\+u00{code})|(?i:%{code}))".encode()


_FORMS = re.compile(b"|".join([b"".join(map(_escaped, MARK)), *_base64_forms(MARK.encode()), MARK.encode().hex().encode()]))


def occurrences(data: bytes) -> list[int]:
    """Where something of a canary stands."""
    return [match.start() for match in _FORMS.finditer(data)]


def files(directory: Path) -> Iterator[Path]:
    """All files below a directory."""
    return (path for path in sorted(directory.rglob("*")) if path.is_file())


# Ways to write the same JSON.


def escaped(text: str) -> str:
    """Each letter of a JSON string's inside as \\u00XX."""
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


def plain(document: Any) -> bytes:
    """JSON as most clients write it."""
    return json.dumps(document).encode()


def spaced(document: Any) -> bytes:
    """JSON with white space wherever it may stand."""
    return json.dumps(document, indent=3, separators=(" ,\r\n", "\t :  ")).encode()


def with_slashes(document: Any) -> bytes:
    """JSON as PHP writes it."""
    return json.dumps(document).replace("/", "\\/").encode()


def with_ampersands(document: Any) -> bytes:
    """JSON as Go and Gson write it."""
    text = json.dumps(document)
    return text.replace("&", "\\u0026").replace("=", "\\u003d").replace("?", "\\u003f").replace("'", "\\u0027").encode()


def with_escaped_canaries(document: Any) -> bytes:
    """JSON whose secrets are written in escapes."""
    return re.sub(rf"{MARK}\d{{6}}{MARK}", lambda match: escaped(match[0]), json.dumps(document)).encode()


def with_escaped_names(document: Any) -> bytes:
    """JSON whose keys are written in escapes, with slashes as PHP has them."""
    return re.sub(r'"([^"\\]+)"(?=:)', lambda match: f'"{escaped(match[1])}"', json.dumps(document)).replace("/", "\\/").encode()


def with_all_escaped(document: Any) -> bytes:
    """JSON whose keys and whose secrets are written in escapes."""
    return with_escaped_names(json.loads(plain(document))).replace(MARK.encode(), escaped(MARK).encode())


SPELLINGS = (plain, spaced, with_slashes, with_ampersands, with_escaped_canaries, with_escaped_names, with_all_escaped)


def sevens(data: bytes) -> Iterable[bytes]:
    """The bytes, seven at a time."""
    return [data[at : at + 7] for at in range(0, len(data), 7)]
