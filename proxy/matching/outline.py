"""Where the members of a big JSON body stand, so that of the next body only what is new need be read. Pure.

An agent sends its whole history with every turn: each body is one before with something inserted, taken away or changed. What stands before and behind
that place, byte for byte, means what it meant.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection
from typing import Any, NamedTuple

from xxhash import xxh3_128_digest

from playhead.storage.items import digests_of, sent_before
from playhead.storage.packing.splits import longest

from ..fingerprinting.canonical import dump, scan
from ..fingerprinting.finders import Numbering, Use
from ..fingerprinting.normalising import GONE, Normaliser
from .repeats import Repeats, again, same_items

_OPEN = re.compile(r"[ \t\n\r]*\{[ \t\n\r]*")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_NEXT = re.compile(r"[ \t\n\r]*([,}\]])[ \t\n\r]*")
_LIST = re.compile(r"\[[ \t\n\r]*(?=\{)")
_TELLING = 64  # bytes before the end of a conversation that tell it from others
_LONG = 4096  # bytes of a member
_QUOTE = 0x22
_DIGEST = 16
_NO_ITEM = bytes(_DIGEST)


class Member(NamedTuple):
    """One member of the outer object. `start`, `end`: bytes of the body, from its key's first quote to behind its value.

    `text`: canonical, under the rules, key and colon included; empty for a conversation and for what rules leave out. `value`: as it came, kept only of
    members that are asked for, and no list.
    """

    name: str
    start: int
    end: int
    text: bytes
    value: Any


class Conversation(NamedTuple):
    """The list of objects that is hashed item by item. `first`: where in the body the first item begins; `ends`: where each ends. `digests`: XXH3-128 of
    each under the rules, end to end; zeros for one that rules leave out. `numbering`: behind the last item; it may have gone on since. `uses`: of it in each
    item."""

    name: str
    first: int
    ends: array[int]
    digests: bytes
    numbering: Numbering
    uses: list[tuple[Use, ...]]

    def before(self, place: int) -> Conversation:
        """Its first items."""
        return self._replace(ends=self.ends[:place], digests=self.digests[: _DIGEST * place], numbering=self.numbering.before(place), uses=self.uses[:place])

    def moved(self, by: int) -> Conversation:
        """The same, so many bytes further on in the body."""
        return self._replace(first=self.first + by, ends=array("q", [end + by for end in self.ends]))

    @property
    def counted(self) -> bytes:
        """The digests of the items that rules do not leave out."""
        if _NO_ITEM not in self.digests:
            return self.digests
        digests = (self.digests[at : at + _DIGEST] for at in range(0, len(self.digests), _DIGEST))
        return b"".join([digest for digest in digests if digest != _NO_ITEM])


class Outline(NamedTuple):
    """A body that is one JSON object."""

    body: bytes
    members: list[Member]
    conversation: Conversation | None

    @property
    def end(self) -> int:
        """Where the last item of the conversation ends; 0 if there is none."""
        return self.conversation.ends[-1] if self.conversation is not None else 0

    def goes_on_in(self, body: bytes) -> bool:
        """Whether the other body is likely to have this one's conversation in it; quick."""
        start, end = max(self.end - _TELLING, 0), self.end
        return end > 0 and body[start:end] == self.body[start:end]


class Reading(NamedTuple):
    """How bodies are read. `lists`: names of conversations; `kept`: names of members whose values are kept; `rules`: what is made of values."""

    lists: Collection[str]
    kept: Collection[str]
    rules: Normaliser | None = None

    def is_list(self, name: str) -> bool:
        """Whether a list of objects of that name is a conversation."""
        return name in self.lists and (self.rules is None or self.rules.keeps(name))

    def member(self, name: str, value: Any) -> bytes:
        """The text of a member."""
        if self.rules is not None and (value := self.rules.member(name, value)) is GONE:
            return b""
        return dump({name: value})[1:-1]

    def is_alike(self, name: str) -> bool:
        """Whether an item of a conversation means the same wherever it stands."""
        return self.rules is None or self.rules.is_alike(name)

    def item(self, name: str, place: int, value: Any, numbering: Numbering) -> bytes:
        """The digest of an item of a conversation."""
        if self.rules is not None and (value := self.rules.item(name, place, value, numbering)) is GONE:
            return _NO_ITEM
        return xxh3_128_digest(dump(value))


def outline(body: bytes, reading: Reading, known: Outline | None) -> Outline | None:
    """Read a body, with what is known of another one that was read in the same way.

    None: it has to be read in another way; it may be sound all the same. Raises ValueError, RecursionError: it is no JSON, most likely.
    """
    reader = _Reader(body, reading)
    return reader.read() if known is None else reader.read_changed(known, *_compare(body, known))


def _compare(body: bytes, known: Outline) -> tuple[int, int]:
    """How many bytes are the same at the beginning, and how many of the others at the end; at least, where a conversation goes on."""
    view, size, shift = memoryview(known.body), len(known.body), len(body) - len(known.body)
    end = known.end
    if end and body.startswith(view[:end]):
        if shift >= 0 and body.endswith(view[end:]):
            return end, size - end
    else:
        end = 0
    shorter = min(len(body), size)
    prefix = end + longest(shorter - end, lambda low, high: body.startswith(view[end + low : end + high], end + low))
    return prefix, longest(shorter - prefix, lambda low, high: body.startswith(view[size - high : size - low], size + shift - high))


class _Reader:
    """Reads a body from some place on, up to another. Each method that gives a bool says whether it was sound; members are read in order."""

    def __init__(self, body: bytes, reading: Reading) -> None:
        self._body = body
        self._reading = reading
        self._members: list[Member] = []
        self._conversation: Conversation | None = None
        self._closed = False  # whether the end of the object was read
        self._text = ""
        self._at = 0  # in the text
        self._seen = self._place = 0  # a place in the text, and the same place in the body
        self._ascii = True
        self._known: Outline | None = None
        self._repeats: Repeats[Conversation] | None = None

    def read(self) -> Outline | None:
        """All of it."""
        return self._outline([], 0) if self._open(len(self._body)) else None

    def read_changed(self, known: Outline, prefix: int, suffix: int) -> Outline | None:
        """From where it differs from the other body, up to where it does not any more. The last member before that is read again: it may have grown."""
        shift = len(self._body) - len(known.body)
        members = known.members
        self._known = known
        first = next((i for i, member in enumerate(members) if member.end >= prefix), len(members))
        last = next((i for i in range(first, len(members)) if members[i].start >= len(known.body) - suffix), len(members))
        stop = members[last].start + shift if last < len(members) else len(self._body)
        self._members = members[:first]
        return self._outline(members[last:], shift) if self._read_between(known, (first, last), prefix, stop) else None

    def _read_between(self, known: Outline, between: tuple[int, int], prefix: int, stop: int) -> bool:
        (first, last), members, old = between, known.members, known.conversation
        place = next((i for i, member in enumerate(members) if old and member.name == old.name), -1)
        if old and 0 <= place < first:
            self._conversation = old
        elif old and place >= last:
            self._conversation = old.moved(len(self._body) - len(known.body))
        elif old and place == first and (count := same_items(known.body, old.ends, prefix)):
            self._take(old.ends[count - 1], stop)
            return self._read_items(old.name, members[first].start, old.before(count)) and self._go_on()
        if not first:
            return self._open(stop)
        self._take(members[first - 1].end, stop)
        return self._go_on()

    def _outline(self, behind: list[Member], shift: int) -> Outline | None:
        """Put together what was read and what is known to follow. None if that is not the whole of an object, or two members have one name."""
        if self._at != len(self._text) or self._closed == bool(behind):
            return None
        members = self._members + [Member(name, start + shift, end + shift, text, value) for name, start, end, text, value in behind]
        if len({member.name for member in members}) != len(members):
            return None
        return Outline(self._body, members, self._conversation)

    def _take(self, start: int, stop: int) -> None:
        self._text = self._body[start:stop].decode()
        self._ascii = len(self._text) == stop - start
        self._place = start

    def _here(self) -> int:
        """The place in the body."""
        if self._ascii:
            return self._place + self._at
        self._place += len(self._text[self._seen : self._at].encode())
        self._seen = self._at
        return self._place

    def _skip(self, size: int) -> bool:
        """So many bytes from here on are known; whether they are all in the text."""
        here = self._here()
        self._at += size if self._ascii else len(self._body[here : here + size].decode())
        if not self._ascii:
            self._seen, self._place = self._at, here + size
        return self._at <= len(self._text)

    def _open(self, stop: int) -> bool:
        """From the beginning."""
        self._take(0, stop)
        found = _OPEN.match(self._text)
        self._at = found.end() if found else 0
        return found is not None and self._read_members()

    def _go_on(self) -> bool:
        """Behind a member."""
        found = _NEXT.match(self._text, self._at)
        if found is None or found[1] == "]":
            return False
        self._at = found.end()
        self._closed = found[1] == "}"
        return self._closed or self._read_members()

    def _read_members(self) -> bool:
        while self._at < len(self._text) and not self._closed:
            if not self._read_member():
                return False
            found = _NEXT.match(self._text, self._at)
            if found is None or found[1] == "]":
                return False
            self._at = found.end()
            self._closed = found[1] == "}"
        return True

    def _read_member(self) -> bool:
        text, start = self._text, self._here()
        if text[self._at] != '"':
            return False
        name, at = scan(text, self._at)
        colon = _COLON.match(text, at)
        if colon is None:
            return False
        old = next((member for member in self._known.members if member.name == name), None) if self._known is not None else None
        if old is not None and old.text and self._known is not None and again(self._body, start, self._known.body, old):
            self._members.append(old._replace(start=start, end=start + old.end - old.start))
            return self._skip(old.end - old.start)
        if self._reading.is_list(name) and (opened := _LIST.match(text, colon.end())):
            self._at = opened.end()
            return self._conversation is None and self._read_items(name, start, None)
        value, self._at = scan(text, colon.end())
        written = self._reading.member(name, value)
        keep = name in self._reading.kept and not isinstance(value, list)
        self._members.append(Member(name, start, self._here(), written, value if keep else None))
        return True

    def _read_items(self, name: str, start: int, known: Conversation | None) -> bool:
        """A conversation up to its end, behind the items that are known. `start`: of the member."""
        text = self._text
        made = known or self._moved(name) or Conversation(name, self._here(), array("q"), b"", Numbering(), [])
        inside = not made.ends  # an item begins here
        digests = [made.digests]
        repeats = self._repeats_of(name, len(made.ends))
        while True:
            if inside and not self._read_some(made, digests, repeats):
                return False
            found = _NEXT.match(text, self._at)
            if found is None or found[1] == "}":
                return False
            self._at = found.end()
            if found[1] == "]":
                break
            inside = True
        self._members.append(Member(name, start, self._here(), b"", None))
        self._conversation = made._replace(digests=b"".join(digests))
        return True

    def _moved(self, name: str) -> Conversation | None:
        """The first items, if they are those of the other body."""
        repeats, here = self._repeats_of(name, 0), self._here()
        if repeats is None or not (count := repeats.run(self._body, here)):
            return None
        old = repeats.of
        return old.before(count).moved(here - old.first) if self._skip(old.ends[count - 1] - old.first) else None

    def _repeats_of(self, name: str, number: int) -> Repeats[Conversation] | None:
        """The items of the conversation of that name in the other body, from that number on; None: there are none."""
        old = self._known.conversation if self._known is not None else None
        if self._known is None or old is None or old.name != name or number >= len(old.ends):
            return None
        if self._repeats is None:
            self._repeats = Repeats(self._known.body, old)
        self._repeats.go_on(number)
        return self._repeats

    def _read_some(self, made: Conversation, digests: list[bytes], repeats: Repeats[Conversation] | None) -> bool:
        """The next item of a conversation, and those behind it that follow it in the other body, too."""
        here, place, numbering = self._here(), len(made.ends), made.numbering
        numbering.place = place
        number = repeats.at(self._body, here) if repeats is not None else None
        alike = number is not None and (number == place or self._reading.is_alike(made.name))
        if repeats is None or number is None or not alike or not numbering.agrees(repeats.of.uses[number]):
            value, self._at = scan(self._text, self._at)
            digests.append(self._reading.item(made.name, place, value, numbering))
            made.ends.append(self._here())
            made.uses.append(numbering.used())
            return True
        old, stop, start = repeats.of, number + 1, repeats.start(number)
        if not numbering.used() and self._reading.is_alike(made.name):
            stop += repeats.run(self._body, here, number) - 1
            stop = next((one for one in range(number + 1, stop) if old.uses[one]), stop)
        repeats.go_on(stop)
        digests.append(old.digests[_DIGEST * number : _DIGEST * stop])
        made.ends.extend([end + here - start for end in old.ends[number:stop]])
        made.uses.extend(old.uses[number:stop])
        return self._skip(old.ends[stop - 1] - start)


class Fresh(NamedTuple):
    """What a body holds that another one did not, as JSON texts.

    `members`: an object of the members that differ, without the conversation; a long text is empty in it. `items`: of the conversation, each with its
    place in it.
    """

    members: bytes
    items: list[tuple[int, bytes]]


def fresh(found: Outline, known: Outline | None) -> Fresh:
    """What is new since the other body, which is what the outline was made by."""
    old = {member.name: member.text for member in known.members} if known is not None else {}
    new = [member for member in found.members if member.text and member.text != old.get(member.name)]
    return Fresh(b"{%b}" % b",".join([_shown(member, found.body) for member in new]), _fresh_items(found, known))


def _shown(member: Member, body: bytes) -> bytes:
    """Its text; a long string is let go, since nobody asks what it says."""
    start = len(dump(member.name)) + 1
    if len(member.text) > _LONG and member.text[start] == _QUOTE:
        return member.text[:start] + b'""'
    return body[member.start : member.end]


def _fresh_items(found: Outline, known: Outline | None) -> list[tuple[int, bytes]]:
    conversation = found.conversation
    if conversation is None:
        return []
    ends, digests, body = conversation.ends, conversation.digests, found.body
    old = known.conversation.digests if known is not None and known.conversation is not None else b""
    upto = sent_before(digests, old, _DIGEST) if old else 0
    same = upto if old.startswith(digests[:upto]) else 0
    seen = {*digests_of(old, _DIGEST)} if upto > same else set()
    member = next(member for member in found.members if member.name == conversation.name)
    opening = body.index(b"[", member.start + len(conversation.name))
    return [
        (place, body[ends[place - 1] if place else opening + 1 : ends[place]].lstrip(b", \t\r\n"))
        for place in range(same // _DIGEST, len(ends))
        if (at := _DIGEST * place) >= upto or digests[at : at + _DIGEST] not in seen
    ]
