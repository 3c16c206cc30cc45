"""What a store lacks, as far as what it holds tells: ids that are named and were never recorded, numbers that are left out, answers without an end."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, String, and_, distinct, func, not_, or_, select, union

from .engine import Database
from .records import ENDED, Record
from .tables import connections, event_rows, exchanges, item_rows, item_words

_UPSTREAM = 1


class Completeness(Record):
    """What `playhead stats` says of what was never recorded, or not wholly; all 0 where nothing is known to be missing.

    `missing_responses`, `missing_conversations`, `missing_items`: ids that requests name, of what was never recorded. `sequence_gaps`: places within
    streams where sequence numbers are left out; `exchanges_with_gaps`: streams that have such. `endless_responses`: responses of which no recorded
    answer has the end. `stray_messages`: messages of Responses WebSockets that belong to no turn.
    """

    missing_responses: int
    missing_conversations: int
    missing_items: int
    sequence_gaps: int
    exchanges_with_gaps: int
    endless_responses: int
    stray_messages: int


def completeness(database: Database) -> Completeness:
    """Of the whole store."""
    with database.reading() as connection:
        gaps, gapped = _gaps(connection)
        return Completeness(
            missing_responses=_missing_responses(connection),
            missing_conversations=_missing_conversations(connection),
            missing_items=_missing_items(connection),
            sequence_gaps=gaps,
            exchanges_with_gaps=gapped,
            endless_responses=_endless(connection),
            stray_messages=int(connection.execute(select(func.coalesce(func.sum(connections.c.unassigned), 0))).scalar_one()),
        )


def _missing_responses(connection: Connection) -> int:
    named, made = exchanges.alias("named"), exchanges.alias("made")
    known = select(made.c.id).where(made.c.response_id == named.c.previous_response_id).exists()
    wanted = select(func.count(distinct(named.c.previous_response_id))).where(named.c.previous_response_id.is_not(None), not_(known))
    return int(connection.execute(wanted).scalar_one())


def _missing_conversations(connection: Connection) -> int:
    """Of which no call that made one was recorded."""
    named, made = exchanges.alias("named"), exchanges.alias("made")
    makes = and_(made.c.kind == "other", made.c.method == "POST", not_(made.c.path.like("%/conversations/%")))
    known = select(made.c.id).where(made.c.conversation == named.c.conversation, makes).exists()
    wanted = select(func.count(distinct(named.c.conversation))).where(named.c.conversation.is_not(None), named.c.kind == "responses", not_(known))
    return int(connection.execute(wanted).scalar_one())


def _missing_items(connection: Connection) -> int:
    i, reference = item_rows.c, select(item_words.c.id).where(item_words.c.word == "item_reference").scalar_subquery()
    named = set(connection.execute(select(i.id).distinct().where(i.type == reference, i.id.is_not(None))).scalars())
    if not named:
        return 0
    known = select(i.id).where(i.id.is_not(None), or_(i.type.is_(None), i.type != reference))
    for id_ in connection.execution_options(yield_per=10_000).execute(known).scalars():
        named.discard(id_)
        if not named:
            break
    return len(named)


def _gaps(connection: Connection) -> tuple[int, int]:
    """Numbers ascend by one within an exchange; on a WebSocket that is one exchange, within each of its lanes. Where they begin is no matter: a stream may
    be resumed."""
    e, x = event_rows.c, exchanges.c
    span = func.max(e.sequence_number) - func.min(e.sequence_number) + 1
    numbered = and_(e.sequence_number.is_not(None), e.direction == _UPSTREAM)
    suspects = select(e.exchange).where(numbered).group_by(e.exchange).having(span > func.count(distinct(e.sequence_number)))
    sockets = select(x.id).where(x.transport == "ws", x.number >= 0, x.kind == "responses")
    before = func.lag(e.sequence_number).over(partition_by=(e.exchange, e.stream_id), order_by=e.seq)
    steps = select(e.exchange, e.sequence_number, before.label("before")).where(numbered, e.exchange.in_(union(suspects, sockets))).subquery()
    wanted = select(func.count(), func.count(distinct(steps.c.exchange))).where(steps.c.sequence_number > steps.c.before + 1)
    row = connection.execute(wanted).one()
    return int(row[0]), int(row[1])


def _endless(connection: Connection) -> int:
    """Creates that are over and whose response has no end in any exchange; of those that were answered at all, or broken off before that."""
    e, other = exchanges.alias("e"), exchanges.alias("other")
    c = e.c
    ended = select(other.c.id).where(other.c.response_id == c.response_id, or_(other.c.response_status.in_(ENDED), other.c.error_code.is_not(None))).exists()
    no_end = and_(c.error_code.is_(None), or_(c.response_status.is_(None), c.response_status.not_in(ENDED)))
    begun = or_(c.response_status.is_not(None), c.outcome != "complete")
    create = or_(c.number < 0, _is_create(c.method, c.path))
    asked = and_(c.kind == "responses", c.outcome.is_not(None), create, no_end, begun, or_(c.response_id.is_(None), not_(ended)))
    return int(connection.execute(select(func.count(distinct(func.coalesce(c.response_id, c.id.cast(String))))).where(asked)).scalar_one())


def _is_create(method: ColumnElement[str], path: ColumnElement[str]) -> ColumnElement[bool]:
    return and_(method == "POST", or_(path.like("%/responses"), path.like("%/responses?%"), path.like("%/responses/")))
