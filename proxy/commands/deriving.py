"""`reparse`: what was derived of recordings is derived again."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from .options import RECORDINGS, loaded, recordings, session_name, setting_flags
from .saying import say

if TYPE_CHECKING:
    from playhead.storage.derived import Derived
    from playhead.storage.rederiving import Rederivation
    from playhead.storage.store import Store

    from ..matching.request_memo import RequestMemo

_AT_ONCE = 50  # exchanges of one transaction
_EVENTS = 5000  # changed events of one transaction, about


@click.command()
@click.argument("session", required=False)
@click.option("--all", "everything", is_flag=True, help="Parse everything again, also what this version has parsed.")
@click.option("--json", "as_json", is_flag=True, help="How many exchanges were parsed, have changed and failed, as one line of JSON.")
@setting_flags(*RECORDINGS, "label_header")
def reparse(session: str | None, everything: bool, as_json: bool, **flags: Any) -> int:
    """Parse again, from the raw bytes, what an older version of playhead has parsed: all sessions, or one.

    The bytes, their times and their order stay as they are. Broken off, it goes on where it was when it is called again.
    Exit status 1 if exchanges could not be parsed again; they stay as they are, and each is one line on standard error.
    """
    from ..listing import print_json, progress

    settings = loaded(flags).settings
    with recordings(settings) as store:
        again = store.rederivation(None if session is None else session_name(session))
        if everything:
            again.mark()
        pruned = again.pruned()
        parsed = changed = failed = 0
        with progress("Parsing", again.count()) as advance:
            for one in _batches(again, settings.label_header):
                changed += again.write(one.derived)
                parsed += len(one.derived)
                failed += one.failed
                advance(len(one.derived) + one.failed)
        again.finish()
    if as_json:
        print_json([{"parsed": parsed, "changed": changed, "failed": failed, "pruned": pruned}])
    else:
        click.echo(_in_words(parsed, changed, failed))
        if pruned:
            click.echo(f"{pruned:,} stay{'s' * (pruned == 1)} as parsed before: the content is pruned.")
    return 1 if failed else 0


def derive(store: Store, session: str, headers: Sequence[str]) -> None:
    """Parse what was added to a session and no version has parsed. What cannot be parsed stays as it came, and is said. `headers`: the setting label_header."""
    again = store.rederivation(session)
    for one in _batches(again, headers):
        again.write(one.derived)


class _Batch:
    def __init__(self) -> None:
        self.derived: list[Derived] = []
        self.failed = 0

    @property
    def full(self) -> bool:
        return len(self.derived) + self.failed >= _AT_ONCE or sum(len(one.events) for one in self.derived) >= _EVENTS


def _batches(again: Rederivation, headers: Sequence[str]) -> Iterator[_Batch]:
    from playhead.config.errors import StoreError

    from ..matching.request_memo import RequestMemo
    from ..pricing.header_labels import labelled
    from ..reparsing import reparsed

    memo = RequestMemo()
    batch = _Batch()
    wanted = again.ids()
    first = next(wanted, None)
    if first is None:
        yield batch
        return
    _read_again(again, again.before(first), memo)
    for id_ in chain((first,), wanted):
        try:
            stored = again.stored(id_)
            if stored is None:
                continue
            batch.derived.append(again.derived(id_, labelled(reparsed(stored, memo), stored.heads.request_head, headers)))
        except StoreError as error:
            say(f"exchange {id_}: {error}")
            batch.failed += 1
        except Exception as error:  # a fault of the parser must not keep the others from being parsed
            say(f"exchange {id_} could not be parsed: {type(error).__name__}: {error}")
            batch.failed += 1
        if batch.full:
            yield batch
            batch = _Batch()
    yield batch


def _read_again(again: Rederivation, ids: Iterable[int], memo: RequestMemo) -> None:
    """Let the memo know what came before: the recorder knew it, too, and a reparse that was not broken off."""
    from ..reparsing import reparsed

    for id_ in ids:
        with contextlib.suppress(Exception):  # what is wrong with it was told when its turn was
            stored = again.stored(id_)
            if stored is not None:
                deque(reparsed(stored, memo), maxlen=0)


def _in_words(parsed: int, changed: int, failed: int) -> str:
    if not parsed and not failed:
        return "There is nothing to parse again: this version has parsed everything."
    text = f"{parsed:,} exchange{'s'[: parsed != 1]} parsed again, {changed or 'none'} of them changed."
    return f"{text} {failed:,} could not be parsed." if failed else text
