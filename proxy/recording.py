"""Folds the journal frames of one exchange into what is stored of it: pure, no clock, no I/O.

An exchange that ends soon is given whole (`finish`). One that stays open long or grows big is given in parts (`spill`); `snapshot` is then what is needed
to go on behind the last part, also after a restart. A WebSocket in Responses mode is no exchange: its turns are (`multiplex`).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic_core import from_json

from playhead.storage.connecting.connected import RecordedConnection
from playhead.storage.records import ANSWERED_EARLY, Direction, Facts, Fingerprint, ItemRow, Kind, Outcome, Piece, Raw, Recorded, Spill

from .assembling.connections import connection_of
from .assembling.gathered import Gathered, as_frame
from .assembling.multiplex import Multiplex
from .assembling.reply import Reply, has_body
from .assembling.transcript import Transcript
from .assembling.turns import Setting
from .assembling.upgraded import Upgraded
from .edges import Edges
from .facts import NOTHING, UNPARSED, Told, take_request, tell, told_of
from .fingerprint import create_over
from .heads import header_text, headers_of
from .matching.request_memo import NO_HEADING, RequestMemo
from .models.doors import parse_request
from .notes import NO_META, Meta, read_opening, unbundle, undecoded

# As plain numbers, since frames have them and an enum's member costs more to compare.
OPEN, REQUEST_DATA, REQUEST_END, RESPONSE_HEAD, RESPONSE_DATA, CLIENT_FRAME, UPSTREAM_DATA, END, BEGIN, FINISH = map(int, Kind)
_LOST = "parts of it could not be journalled"


class Assembly:
    """One open exchange. `parse` False: its bytes are kept and not looked at (it broke the parser before); it is stored as `unparsed`.

    `memo`: shared by the exchanges of a recorder. `turns` False: a WebSocket is one exchange, whatever its mode, as it was in older versions.
    """

    def __init__(self, writer: str, number: int, *, parse: bool = True, memo: RequestMemo | None = None, turns: bool = True) -> None:
        self.opened: tuple[Meta, int] | None = None
        """What the beginning says, if whoever feeds it has read that already."""
        self._memo = memo or RequestMemo()
        self.writer = writer
        self.number = number
        self.seq_of: Callable[[int], int | None] = _no_seq
        """Gives the place of a turn in the session."""
        self._parse, self._turns = parse, turns
        self._opening = b"{}\n"
        self._meta, self._started_at = NO_META, 0
        self._head = b""  # of the request
        self._heading, self._shape = NO_HEADING, NO_HEADING.shape
        self._heads: list[bytes] = []  # of the answer
        self._answered: Mapping[bytes, bytes] = NO_HEADING.headers  # what the last of them says
        self._status: int | None = None
        self.is_stream = False
        """Whether its answer says that it is a stream of events."""
        self._reply: Reply | None = None
        self._upgraded: Upgraded | None = None
        self._gathered = Gathered()
        self._asked: Edges | None = None  # of the request, once parts of it have left
        self._request_end: dict[str, Any] = {}
        self._end: dict[str, Any] | None = None
        self._last_at = 0
        self._pieces = {"request": 0, "response": 0}  # given to the store so far
        self._fingerprint: Fingerprint | None = None  # of a request that is at hand as a whole
        self._told: Told | None = None  # by the request's body, if all of it has come
        self._digest: bytes | None = None  # of the handshake's fingerprint

    # Frames.

    def feed(self, kind: int, at: int, payload: bytes) -> None:
        """The next frame. `at`: ns since the exchange's start."""
        self._last_at = at
        if kind == RESPONSE_DATA:
            if self._reply is not None:
                self._reply.feed(at, payload)
        elif (take := self._TAKES.get(kind)) is not None:
            take(self, at, payload)

    def _begin(self, at: int, payload: bytes) -> None:
        opening, note, body = unbundle(payload)
        self._open(at, opening)
        if note:
            if body:
                self._request_data(at, body)
            self._request_end = from_json(note)

    def _finish(self, at: int, payload: bytes) -> None:
        head, note, data = unbundle(payload)
        self._response_head(at, head)
        if data and self._reply is not None:
            self._reply.feed(at, data)
        self._ended(at, note)

    def _open(self, at: int, payload: bytes) -> None:
        self._opening = payload
        self._meta, self._started_at = self.opened or read_opening(payload)
        self._head = payload[payload.find(b"\n") + 1 :]
        self._heading = self._memo.heading(self._head, self._meta.upstream)
        self._shape = self._heading.shape

    def _requested(self, at: int, payload: bytes) -> None:
        self._request_end = from_json(payload)

    def _ended(self, at: int, payload: bytes) -> None:
        self._end = from_json(payload)

    def _upstream_data(self, at: int, payload: bytes) -> None:
        if self._upgraded is not None:
            self._upgraded.channels.upstream(at, payload)

    def _client_frame(self, at: int, payload: bytes) -> None:
        if self._upgraded is not None:
            self._upgraded.channels.client(at, payload)

    def _request_data(self, at: int, payload: bytes) -> None:
        gathered = self._gathered
        gathered.request.append(payload)
        gathered.request_bytes += len(payload)
        gathered.frames.append(as_frame((Direction.CLIENT, at, len(payload))))

    def _response_head(self, at: int, raw: bytes) -> None:
        self._gathered.frames.append(as_frame((Direction.UPSTREAM, at, 0)))
        self._heads.append(raw)
        headers = self._answered = headers_of(raw)
        code = raw[9:12]
        status = int(code) if code.isdigit() else None
        if status == 101:
            self._status = status
            extensions = headers.get(b"sec-websocket-extensions", b"")
            multiplex = self._new_multiplex(extensions) if self._sorts else None
            self._upgraded = Upgraded(extensions, self._gathered, self._shape, parse=self._parse, multiplex=multiplex)
        elif status is None or status >= 200:
            self._status = status
            self._reply = Reply(status, headers, self._gathered, self._shape, parse=self._parse)
            self.is_stream = self._reply.is_stream

    _TAKES: ClassVar[Mapping[int, Callable[[Assembly, int, bytes], None]]] = {
        OPEN: _open,
        REQUEST_DATA: _request_data,
        REQUEST_END: _requested,
        RESPONSE_HEAD: _response_head,
        CLIENT_FRAME: _client_frame,
        UPSTREAM_DATA: _upstream_data,
        END: _ended,
        BEGIN: _begin,
        FINISH: _finish,
    }

    @property
    def _transcript(self) -> Transcript | None:
        return self._upgraded.transcript if self._upgraded is not None else None

    @property
    def _sorts(self) -> bool:
        """Whether it has turns: not if it was stored as an exchange in part."""
        return self._turns and self._parse and self._shape.kind == "responses" and self._asked is None

    def _new_multiplex(self, extensions: bytes) -> Multiplex:
        base, heads = self._base(None, Facts(), Raw()), Raw(self._head, response_heads=b"".join(self._heads))
        setting = Setting(base, heads, create_over(self._heading.called.asked), self._memo, extensions)
        return Multiplex(setting, lambda turn: self.seq_of(turn))

    # Connections.

    @property
    def multiplex(self) -> Multiplex | None:
        """The turns, of a WebSocket in Responses mode."""
        return self._upgraded.multiplex if self._upgraded is not None else None

    @property
    def is_exchange(self) -> bool:
        """Whether it is one itself."""
        return self._upgraded is None or self._upgraded.is_exchange

    @property
    def _undecided(self) -> bool:
        """Whether its kind hangs on upstream's answer to the handshake, which may have been lost: it is no exchange so far."""
        return self._meta.transport == "ws" and self._status is None and not self._gathered.request_bytes

    def end_turns(self, *, aborted: bool) -> None:
        """The connection ended, or (`aborted`) its writer did."""
        if self._upgraded is not None:
            outcome = self._outcome(final=True, aborted=aborted) or "aborted"
            self._upgraded.end_turns(self._last_at, outcome, self._troubles(), redacted=self._redacted)

    def give_up_turns(self) -> None:
        """It cannot be parsed on: from here, the connection is an exchange that is kept as it comes."""
        self._parse = False
        if self._upgraded is not None:
            self._upgraded.give_up(self._last_at)

    def connection(self, *, final: bool = False, aborted: bool = False, give: bool = False) -> RecordedConnection | None:
        """What is known of it as a WebSocket connection; None if it is none. `give`: with what is new of its log, which is forgotten here."""
        if self._upgraded is None and self._meta.transport != "ws":
            return None
        if self._digest is None:
            self._digest = self._memo.read_under(self._heading, b"", self._meta.session)[1].digest
        facts = Facts(problem="; ".join(self._troubles()) or None)
        one = self._base(self._outcome(final=final, aborted=aborted), facts, Raw(), final=final)
        connection = connection_of(one, (self._head, b"".join(self._heads)), self._answered, self._digest)
        if self._upgraded is not None:
            connection.redacted = self.multiplex is not None and self._redacted is not None
            self._upgraded.tell(connection, give=give)
        return connection

    def _troubles(self) -> list[str]:
        """What went wrong with the connection itself."""
        end = self._end or {}
        told = (self._upgraded and self._upgraded.channels.problem, end.get("problem"), _LOST if end.get("lost") else None)
        return [text for text in told if text]

    # Handing over.

    def finish(self, *, aborted: bool = False) -> Recorded:
        """The exchange as a whole: it ended, or (`aborted`) its writer did. Never was spilled."""
        self._close()
        gathered, outcome = self._gathered, self._outcome(final=True, aborted=aborted)
        facts = self._facts(outcome, final=True)
        frames, chunks, blocks = tuple(gathered.frames), tuple(gathered.chunks), self._reply.blocks if self._reply else ()
        bodies = b"".join(gathered.request), b"".join(self._heads), b"".join(gathered.response)
        raw = Raw(self._head, *bodies, self._trailers, frames, chunks, blocks=blocks)
        recorded = self._base(outcome, facts, raw, final=True)
        recorded.fingerprint, recorded.items, recorded.events = self._fingerprint, self._items(), gathered.rows
        return recorded

    def spill(self, *, final: bool, aborted: bool = False) -> Spill:
        """What came since the last spill; it is forgotten here. `final`: the exchange ended, or (`aborted`) its writer did."""
        (self._close if final else self.settle)()
        self._leave(final=final)
        outcome = self._outcome(final=final, aborted=aborted)
        facts = self._facts(outcome, final=final)
        recorded = self._base(outcome, facts, Raw(self._head, response_heads=b"".join(self._heads), trailers=self._trailers), final=final)
        recorded.fingerprint, self._fingerprint = self._fingerprint, None
        recorded.items = self._items()
        gathered = self._gathered
        pieces = [self._piece("request", gathered.request), self._piece("response", gathered.response)]
        rows, frames, chunks = gathered.give_rows(), tuple(gathered.frames), tuple(gathered.chunks)
        for given in (gathered.request, gathered.response, gathered.frames, gathered.chunks):
            given.clear()
        return Spill(recorded, [piece for piece in pieces if piece], rows, frames, chunks, final)

    def parts(self) -> tuple[list[Spill], RecordedConnection | None, dict[str, Any]]:
        """All that came since the last time, which is forgotten here, and what is needed to go on."""
        spills = [] if self.multiplex is None else self.multiplex.spill()
        if self.is_exchange and not self._undecided:
            spills.append(self.spill(final=False))
        return spills, self.connection(give=True), self.snapshot()

    def _leave(self, *, final: bool) -> None:
        """The bodies are about to be given away: keep what the facts need of them. An answer that is still whole at the end is read as it is."""
        if self._reply is not None and not (final and self._reply.is_whole):
            self._reply.leave()
        if self._asked is None:
            if self._parse and (self._request_end or self._transcript is not None):
                self._read_request()
            self._asked = Edges()
        if self._transcript is None:
            for data in self._gathered.request:
                self._asked.feed(data)

    def _piece(self, part: Literal["request", "response"], data: list[bytes]) -> Piece | None:
        whole = b"".join(data)
        if not whole:
            return None
        self._pieces[part] += 1
        return Piece(part, self._pieces[part] - 1, whole)

    def settle(self, *, halfway: bool = False) -> None:
        """Read what is held of the answer: `finish` and `spill` do it, too."""
        if self._reply is not None:
            self._reply.settle(halfway=halfway)

    def _close(self) -> None:
        if self._reply is not None:
            self._reply.close(self._last_at)
        elif self._transcript is not None:
            self._transcript.close(self._last_at)

    @property
    def _trailers(self) -> bytes:
        return self._reply.trailers if self._reply else b""

    # What is known of it.

    def _outcome(self, *, final: bool, aborted: bool) -> Outcome | None:
        if not final:
            return None
        outcome: Outcome = (self._end or {}).get("outcome", "aborted")
        if outcome in ("aborted", "client_closed") and self._upgraded is not None and self._upgraded.channels.closed:
            return "complete"  # all was said, whoever left first or died then
        return outcome

    def _base(self, outcome: Outcome | None, facts: Facts, raw: Raw, *, final: bool = False) -> Recorded:
        """All but its events, its items and its fingerprint."""
        heading, meta, gathered, answered, status = self._heading, self._meta, self._gathered, self._answered, self._status
        recorded = Recorded(  # by place, since by name it would take three times as long
            self.writer,
            self.number,
            meta.session,
            meta.run,
            "ws" if status == 101 else "sse" if self.is_stream else "http",
            heading.method,
            heading.path,
            self._started_at,
            status,
            outcome,
            gathered.first_ns,
            self._last_at if final else None,
            self._request_end.get("bytes", gathered.request_bytes),
            gathered.response_bytes,
            gathered.count,
            self._redacted,
            header_text(answered, b"x-request-id") or header_text(answered, b"request-id"),
            heading.attempt,
            meta.key_id,
            header_text(answered, b"openai-organization") or heading.organization,
            header_text(answered, b"openai-project") or heading.project,
            meta.upstream,
            facts,
            raw,
        )
        if meta.transport == "ws" and status != 101:
            recorded.connection_number = self.number
        return recorded

    def _items(self) -> list[ItemRow]:
        asked = self._told.items if self._told else ()
        if self._reply is not None:
            return [*asked, *self._reply.items()]
        return [*asked] if self._transcript is None else self._transcript.items()

    @property
    def _redacted(self) -> Literal["response"] | None:
        """Only where the answer was changed may a replay differ; that requests are redacted is the rule."""
        return "response" if self._end and self._end.get("redacted") else None

    def _facts(self, outcome: Outcome | None, *, final: bool) -> Facts:
        facts, reply, whole = Facts(kind=self._shape.kind, parse="partial"), self._reply, outcome == "complete"
        problems = [undecoded(self._request_end)] if self._request_end.get("problem") else []
        if not self._parse:
            problems.append(UNPARSED)
        else:
            take_request(facts, self._tell(), self._heading.path)
        if reply is not None:
            problems += reply.read(facts, whole=whole, final=final)
            if final and not self._request_end and has_body(self._head, gathered=self._gathered.request_bytes):
                problems.append(ANSWERED_EARLY)
        elif self._transcript is not None:
            problems += self._transcript.read(facts)
        if self._end is not None and len(self._end) > 1:
            self._take_end(facts, self._end, problems)
        if problems:
            facts.problem = "; ".join(problems)
        self._judge(facts, whole=whole)
        if reply is not None and (notes := reply.notes):
            facts.problem = "; ".join([*problems, *notes])
        return facts

    @staticmethod
    def _take_end(facts: Facts, end: Mapping[str, Any], problems: list[str]) -> None:
        """More than the outcome."""
        facts.error_code = end.get("error") or facts.error_code
        if end.get("problem"):
            problems.append(end["problem"])
        if end.get("lost"):
            problems.append(_LOST)

    def _judge(self, facts: Facts, *, whole: bool) -> None:
        """The last word on how well it was understood."""
        if not self._parse:
            facts.parse = "unparsed"
        elif facts.kind == "other" or (whole and not self._gathered.response_bytes) or (self._end or {}).get("error"):
            facts.parse = "not_applicable"
        elif facts.problem and facts.parse == "parsed":
            facts.parse = "partial"

    def _tell(self) -> Told:
        """What the request says."""
        if self._told is None and self._asked is None:
            self._read_request()
        if self._transcript is not None:
            return self._transcript.told
        if self._told is None and self._asked is not None:
            whole = self._asked.whole
            content_type = self._heading.called.content_type
            told = told_of(parse_request(self._shape, self._asked.members())) if whole is None else tell(self._shape, whole, content_type)
            if not self._request_end:
                return told
            self._told = told
        return self._told or NOTHING

    def _read_request(self) -> None:
        """The request is at hand as a whole: its fingerprint, and what its body says."""
        body = b"" if self._transcript is not None else b"".join(self._gathered.request)
        self._told, self._fingerprint = self._memo.read_under(self._heading, body, self._meta.session, self._request_end.get("xxh3"))

    # Going on after a restart.

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON. Call it right after `spill`: what was not given away is not in it."""
        return {
            "identity": [self.writer, self.number],
            "open": b64encode(self._opening).decode(),
            "heads": [b64encode(head).decode() for head in self._heads],
            "gathered": self._gathered.state(),
            "asked": self._asked.state() if self._asked else None,
            "request_end": self._request_end,
            "end": self._end,
            "last_at": self._last_at,
            "pieces": {**self._pieces},
            "reply": self._reply.state() if self._reply else None,
            **(self._upgraded.state() if self._upgraded else {"transcript": None}),
            "told": self._told.state() if self._told else None,
            "turns": self._turns,
        }

    @classmethod
    def restore(cls, state: dict[str, Any], *, parse: bool = True, memo: RequestMemo | None = None) -> Self:
        """The assembly that gave this snapshot."""
        writer, number = state["identity"]
        assembly = cls(writer, number, parse=parse or state.get("multiplex") is not None, memo=memo)
        assembly._open(0, b64decode(state["open"]))
        assembly._turns = state.get("turns", state["transcript"] is None)  # older versions had none
        for head in state["heads"]:
            assembly._response_head(0, b64decode(head))
        assembly._gathered.frames.clear()  # they have been given away
        assembly._gathered.restore(state["gathered"])
        if state["asked"] is not None:
            assembly._asked = Edges()
            assembly._asked.restore(state["asked"])
        assembly._request_end, assembly._end = state["request_end"], state["end"]
        assembly._last_at, assembly._pieces = state["last_at"], {**state["pieces"]}
        assembly._told = Told.restore(state["told"]) if state.get("told") else None
        if assembly._reply is not None and state["reply"] is not None:
            assembly._reply.restore(state["reply"])
        if assembly._upgraded is not None:
            assembly._upgraded.restore(state)
        if not parse:
            assembly.give_up_turns()
        return assembly


def _no_seq(turn: int) -> None:
    """The store gives it."""
