"""One turn of a WebSocket in Responses mode: the messages of a response, or of what was asked for and refused, as an exchange of its own. Pure.

A turn has no frames: each of its messages is an event, whose row says when it came and how long it is.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import sub
from typing import Any, Literal, NamedTuple

from playhead.config import secrets as secret_rules
from playhead.storage.connecting.connected import turn_number
from playhead.storage.records import Facts, Fingerprint, Outcome, Piece, Raw, Recorded, Spill

from ..facts import NOTHING, UNPARSED, Told, take_request, told_of, words_of
from ..fingerprint import Asked, Fingerprinter
from ..folds.folding import Heard
from ..forwarding.frames import Opcode
from ..lanes import Begun
from ..matching.request_memo import RequestMemo
from ..models.kind import Shape
from ..models.wire import Unparsed, Wire
from ..models.wire import field as member
from ..plain import text_of
from ..sse import type_of as type_name
from .gathered import Gathered
from .hearing import hearing_for

_CREATE = Shape("responses", "create")
_TYPE_AT = len('{"type":"')  # where it stands in an event that may pass
_MOST_HEARD = 128
_NO_RAW = Raw()


@dataclass(frozen=True, slots=True)
class Setting:
    """What all turns of a connection have in common. `connection`: as one exchange, without what was parsed; `heads`: of the handshake; `asked`: a create
    on its path; `extensions`: that were agreed on."""

    connection: Recorded
    heads: Raw
    asked: Asked
    memo: RequestMemo
    extensions: bytes
    redacted: Literal["response"] | None = field(init=False)
    """Whether the handshake's answer was changed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "redacted", "response" if secret_rules.placeholder(b"cookie") in self.heads.response_heads else None)


class TurnMessage(NamedTuple):
    """A message. `data`: its payload; of a long one its beginning, and `size` says how much it was."""

    direction: int
    at: int
    opcode: int
    data: bytes
    size: int
    model: Wire


class Turn:
    """An open one. `begun`: how it began; `seq`: its place in the session."""

    __slots__ = (
        *("_asked", "_at", "_begun", "_fingerprint", "_gathered", "_heard", "_hearing", "_last", "_long", "_pieces", "_seq", "_setting", "_status"),
        *("_told", "number"),
    )

    def __init__(self, setting: Setting, begun: Begun, seq: int | None) -> None:
        self._setting, self._begun, self._seq = setting, begun, seq
        self.number = begun.turn
        """Which of the connection's it is."""
        self._at: int | None = None  # of its first message
        self._last = 0
        self._gathered = Gathered()
        self._hearing = hearing_for(_CREATE)
        self._heard: list[Heard] = []  # what it is still to be told
        self._told: Told = NOTHING
        self._asked = False  # whether its create has come
        self._long: Fingerprinter | None = None  # of one that comes in pieces
        self._fingerprint: Fingerprint | None = None  # until it is given away
        self._status = 101
        self._pieces = {"request": 0, "response": 0}  # given to the store so far

    # Messages.

    def take(self, said: TurnMessage) -> None:
        """The next one."""
        self.more(said.direction, said.data)
        self.tell(said)

    def told(self, at: int, opcode: int, data: bytes, model: Wire) -> None:
        """The same for a message of upstream that says how its response grows (`Lanes.plain`), as nearly all do."""
        gathered, size, offset = self._gathered, len(data), self._offset(at)
        if gathered.first_ns is None:
            gathered.first_ns = offset
        kind, number, lane = words_of(model, data)
        gathered.response.append(data)
        gathered.response_bytes += size
        gathered.rows.add((offset, 1, kind, number, lane, size, opcode))
        self._heard.append(model)
        self._hear_many()

    def begin_long(self, direction: int) -> None:
        """A message begins that comes in pieces. Of a create as much is held as of a request over HTTP; broken off by a restart, it has no fingerprint until
        the exchange is parsed again."""
        self._long = None if direction or self._asked else Fingerprinter(self._setting.asked)

    def more(self, direction: int, data: bytes) -> None:
        """A piece of a message that `tell` will tell of."""
        gathered = self._gathered
        if direction:
            gathered.response.append(data)
            gathered.response_bytes += len(data)
        else:
            gathered.request.append(data)
            gathered.request_bytes += len(data)
            if self._long is not None:
                self._long.feed(data)

    def tell(self, said: TurnMessage, *, whole: bool = True) -> None:
        """What a message is whose bytes have been taken. `whole`: it has not been cut."""
        direction, at, opcode, data, size, model = said
        kind, number, lane = words_of(model, data)
        if not whole:
            kind = None
        offset = self._offset(at)
        if direction:
            self._answered(offset, kind, model)
        elif kind == "response.create" and not self._asked:
            self._asked = True
            self._read(data if size == len(data) else None, model)
        if not direction:
            self._long = None
        shown = kind or ("websocket.text" if opcode == Opcode.TEXT else "websocket.binary") if whole else None
        self._gathered.rows.add((offset, direction, shown, number, lane, size, opcode))
        self._hear_many()

    def passed(self, times: Sequence[int], opcodes: list[int], texts: list[bytes], numbers: list[int]) -> None:
        """Events of upstream that say nothing but their numbers (passing.py), and when they came."""
        gathered, offset = self._gathered, self._offset(times[0])
        offsets: Iterable[int] = repeat(offset, len(texts))
        if times[-1] != times[0]:
            self._last, offsets = times[-1], map(sub, times, repeat(times[0] - offset))
        sizes = [*map(len, texts)]
        if gathered.first_ns is None:
            gathered.first_ns = offset
        self._heard.append(numbers)  # for later: what is held is passed when nobody expects that it cannot be parsed
        gathered.response += texts
        gathered.response_bytes += sum(sizes)
        gathered.rows.add_answered(offsets, _types(texts), numbers, sizes, opcodes)

    def _offset(self, at: int) -> int:
        if self._at is None:
            self._at = at
        self._last = at
        return at - self._at

    def _answered(self, offset: int, kind: str | None, model: Wire) -> None:
        if self._gathered.first_ns is None:
            self._gathered.first_ns = offset
        if model.__class__ is Unparsed:
            return
        self._heard.append(model)
        if kind == "error":
            status = member(model, "status")
            self._status = status if status.__class__ is int and 100 <= status < 1000 else self._status

    def _hear_many(self) -> None:
        if len(self._heard) > _MOST_HEARD:
            self._hear()

    def _hear(self) -> None:
        self._hearing.hear(self._heard)
        self._heard = []

    def _read(self, body: bytes | None, model: Wire) -> None:
        """What the create says, and its fingerprint: that of the same request over HTTP. `body`: None if it came in pieces."""
        long, setting = self._long, self._setting
        body = long.body if body is None and long is not None else body
        if body is not None:
            self._told, fingerprint = setting.memo.read(setting.asked, body, setting.connection.session)
            self._fingerprint = fingerprint._replace(asks="ws")
            return
        self._told = told_of(model)
        if long is not None:
            self._fingerprint = long.finish()._replace(asks="ws")

    # Handing over.

    def end(self, outcome: Outcome, *, problems: Sequence[str] = (), redacted: Literal["response"] | None = None) -> Recorded | Spill:
        """It ended, or its connection did."""
        recorded = self._recorded(outcome, self._facts(problems), redacted)
        recorded.fingerprint, recorded.items = self._fingerprint, [*self._told.items, *self._hearing.items()]
        return self._hand_over(recorded)

    def give_up(self) -> Recorded | Spill:
        """It could not be parsed on: it is stored as it came."""
        return self._hand_over(self._recorded("aborted", Facts(kind="responses", parse="unparsed", problem=UNPARSED), None))

    def _hand_over(self, recorded: Recorded) -> Recorded | Spill:
        if any(self._pieces.values()):
            return self._spill(recorded, final=True)
        gathered, heads = self._gathered, self._setting.heads
        recorded.raw = Raw(heads.request_head, b"".join(gathered.request), heads.response_heads, b"".join(gathered.response))
        recorded.events = gathered.rows
        return recorded

    def spill(self) -> Spill | None:
        """What came since the last time; it is forgotten here. None: nothing."""
        if not self._gathered.rows and not self._gathered.request and not self._gathered.response:
            return None
        recorded = self._recorded(None, self._facts(()), None)
        recorded.fingerprint, self._fingerprint = self._fingerprint, None
        recorded.items = [*self._told.items, *self._hearing.items()]
        return self._spill(recorded, final=False)

    def _spill(self, recorded: Recorded, *, final: bool) -> Spill:
        gathered = self._gathered
        recorded.raw = self._setting.heads
        pieces = [self._piece("request", gathered.request), self._piece("response", gathered.response)]
        for given in (gathered.request, gathered.response):
            given.clear()
        return Spill(recorded, [piece for piece in pieces if piece], gathered.give_rows(), (), (), final)

    def _piece(self, part: Literal["request", "response"], data: list[bytes]) -> Piece | None:
        whole = b"".join(data)
        if not whole:
            return None
        self._pieces[part] += 1
        return Piece(part, self._pieces[part] - 1, whole)

    # What is known of it.

    def _recorded(self, outcome: Outcome | None, facts: Facts, redacted: Literal["response"] | None) -> Recorded:
        one, gathered, at = self._setting.connection, self._gathered, self._at or 0
        recorded = Recorded(  # by place, since by name it would take three times as long
            *(one.writer, turn_number(one.number, self.number), one.session, one.run, one.transport, one.method, one.path),
            one.started_at_ns + at,
            self._status,
            outcome,
            gathered.first_ns,
            None if outcome is None else self._last - at,
            gathered.request_bytes,
            gathered.response_bytes,
            gathered.count,
            redacted or self._setting.redacted,
            *(one.request_id, one.attempt, one.key_id, one.organization, one.project, one.upstream),
            facts,
            _NO_RAW,
        )
        recorded.seq, recorded.connection_number = self._seq, one.number
        recorded.stream_id, recorded.steer = self._begun.lane and text_of(self._begun.lane), text_of(self._begun.steer)
        return recorded

    def _facts(self, problems: Sequence[str]) -> Facts:
        facts = Facts(kind="responses", parse="partial")
        take_request(facts, self._told, self._setting.connection.path)
        self._hear()
        notes = self._hearing.tell(facts)
        facts.previous_response_id = facts.previous_response_id or text_of(self._begun.parent)
        facts.parse = "parsed" if self._hearing.ended and not problems else "partial"
        facts.problem = "; ".join([*problems, *notes]) or None
        return facts

    # Going on after a restart.

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, as JSON. Call it right after `spill`: what was not given away is not in it."""
        self._hear()
        return {
            "begun": list(self._begun),
            "seq": self._seq,
            "times": [self._at, self._last],
            "gathered": self._gathered.state(),
            "hearing": self._hearing.state(),
            "told": self._told.state(),
            "asked": self._asked,
            "status": self._status,
            "pieces": {**self._pieces},
        }

    @classmethod
    def restore(cls, setting: Setting, state: dict[str, Any]) -> Turn:
        """The turn that gave this state."""
        turn = cls(setting, Begun(*state["begun"]), state["seq"])
        turn._at, turn._last = state["times"]
        turn._gathered.restore(state["gathered"])
        turn._hearing.restore(state["hearing"])
        turn._told, turn._asked = Told.restore(state["told"]), state["asked"]
        turn._status, turn._pieces = state["status"], {**state["pieces"]}
        return turn


def said_state(said: TurnMessage) -> list[Any]:
    """A message as JSON, without its model."""
    return [said.direction, said.at, said.opcode, b64encode(said.data).decode(), said.size]


def data_of(state: list[Any]) -> bytes:
    """The payload of a message that was written down by `said_state`."""
    return b64decode(state[3])


def _types(texts: list[bytes]) -> list[str | None]:
    """Of events that may pass: mostly it is the same as that of the one before."""
    found: list[str | None] = []
    start, name = b"\0", None
    for text in texts:
        if not text.startswith(start):
            end = text.find(b'"', _TYPE_AT)
            start, name = text[: end + 1], type_name(text[_TYPE_AT:end])
            if not found and all(map(bytes.startswith, texts, repeat(start))):
                return [name] * len(texts)
        found.append(name)
    return found
