"""What a store says of its exchanges, and stores whose derived columns were lost: for tests of deriving again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from playhead.proxy.matching.request_memo import RequestMemo
from playhead.proxy.reparsing import reparsed
from playhead.storage.store import Store
from stores import opened

DERIVED = (
    "kind",
    "model",
    "response_id",
    "previous_response_id",
    "response_status",
    "service_tier",
    "user",
    "usage",
    "conversation",
    "parse",
    "problems",
    "parser",
)
_BLANK = {"kind": "'other'", "parse": "'unparsed'"}
LISTS = ("exchanges", "events", "items", "fingerprints", "bodies", "pieces")


def everything(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of all tables that tell of exchanges."""
    with closing(sqlite3.connect(path)) as connection:
        found = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3").fetchall() for name in LISTS}
    del found["fingerprints"]
    with Store(opened(f"sqlite:///{path}")) as store:
        ids = [row[0] for row in found["exchanges"]]
        found["fingerprints"] = [(row.exchange, row.digest, row.asks) for each in store.sessions() for row in store.replay_index(each.session, "all")]
        found["digests"] = sorted(store.item_digests(ids).items())
    return found


def forget(path: Path) -> None:
    """Lose what was derived, but for what only the journal knew."""
    blanks = ", ".join(f"{name} = {_BLANK.get(name, 'NULL')}" for name in DERIVED)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE exchanges SET {blanks}")
        connection.execute("UPDATE event_rows SET sequence_number = NULL, stream_id = NULL")
        connection.execute("UPDATE event_rows SET type = NULL WHERE exchange IN (SELECT id FROM exchanges WHERE transport <> 'ws')")
        connection.execute("DELETE FROM event_rows WHERE seq % 3 = 2 AND exchange IN (SELECT id FROM exchanges WHERE transport <> 'ws')")
        connection.execute("DELETE FROM item_rows")
        connection.execute("DELETE FROM fingerprints WHERE exchange % 2 = 0 AND exchange NOT IN (SELECT base FROM fingerprints WHERE base IS NOT NULL)")


def derive(path: Path, *, mark: bool = False, at_once: int = 20) -> int:
    """Derive again; of how many exchanges."""
    memo = RequestMemo()
    with Store(opened(f"sqlite:///{path}")) as store:
        again = store.rederivation()
        if mark:
            again.mark()
        batch = []
        for id_ in again.ids():
            stored = again.stored(id_)
            assert stored is not None
            batch.append(again.derived(id_, reparsed(stored, memo)))
        for start in range(0, len(batch), at_once):
            again.write(batch[start : start + at_once])
    return len(batch)
