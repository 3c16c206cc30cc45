"""The console's aiohttp application: /healthz, /readyz, /metrics, and what programs ask of a server under /api."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from playhead.config.settings import SESSION_NAME, HostPort, hint

from ..forwarding.answers import ERRORS
from ..recordings.rewinding import RewindError, Rewound
from .exposition import expose, snapshot

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WILDCARDS = frozenset({"0.0.0.0", "::"})


class Health(Protocol):
    """What the console shows. `ready` and `metrics` must return at once: they are called in the event loop."""

    def ready(self) -> list[str]:
        """Why no traffic should be sent here, one text per reason; empty: ready."""
        ...

    def metrics(self) -> Mapping[str, Any]:
        """The newest reports of the processes, as `exposition.snapshot` takes them."""
        ...

    async def rewind(self, session: str) -> Rewound:
        """Begin a pass over a session again. Raises RewindError."""
        ...


def console_app(health: Health, bound: HostPort, token: str | None = None) -> web.Application:
    """The application to serve on `bound`. With a token every request must carry it: `Authorization: Bearer TOKEN`."""

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        reasons = health.ready()
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = expose(lambda: snapshot(health.metrics()), request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def rewind(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not SESSION_NAME.fullmatch(name):
            return _refusal(400, f"a session's name is {hint('session').allowed}")
        try:
            return web.json_response((await health.rewind(name))._asdict())
        except RewindError as error:
            return _refusal(ERRORS[error.code].status, str(error), code=error.code)

    app = web.Application(middlewares=[_guard(bound, token)])
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    app.add_routes([web.post("/api/sessions/{name}/rewind", rewind)])
    return app


def _guard(bound: HostPort, token: str | None) -> Middleware:
    expected = None if token is None else f"Bearer {token}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _host_is_ours(request.headers.get("Host", ""), bound):
            return _refusal(403, "the Host header names another host than this console's")
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if expected is not None and not hmac.compare_digest(given, expected):
            return _refusal(401, "the console needs its token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        if request.method not in _SAFE and not _origin_is_ours(request.headers):
            return _refusal(403, "the request was made by a page of another site")
        try:
            response = await handler(request)
        except web.HTTPException as error:
            allow = {name: value for name, value in error.headers.items() if name == "Allow"}
            return _refusal(error.status, f"{error.reason}: the console serves GET /healthz, /readyz and /metrics, and POST /api/sessions/NAME/rewind", allow)
        response.headers["Cache-Control"] = "no-store"
        return response

    return guard


def _host_is_ours(header: str, bound: HostPort) -> bool:
    """Whether a browser was led here by a name that is ours: a page of another site must not read the console by DNS rebinding.

    Where all addresses are bound, the names are unknown; then there is a token, which such a page does not have.
    """
    if bound.host in _WILDCARDS:
        return True
    name = header.lower() if header.endswith("]") else header.lower().rpartition(":")[0] or header.lower()
    return name in _LOOPBACK_NAMES or name == str(HostPort(bound.host, 0)).rpartition(":")[0].lower()


def _origin_is_ours(headers: Mapping[str, str]) -> bool:
    """Whether no page of another site makes its browser ask: it need not read the answer to do harm. Programs send no Origin."""
    origin = headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == headers.get("Host", "").lower()


def _refusal(status: int, message: str, headers: dict[str, str] | None = None, code: str | None = None) -> web.Response:
    return web.json_response({"error": {"message": message} | ({"code": code} if code else {})}, status=status, headers=headers)
