"""What of an exchange decides about its price, where it is at hand and needs not be read. Pure."""

from __future__ import annotations

from functools import partial

from ..records import Recorded
from .costs import Priceable

_priceable = partial(tuple.__new__, Priceable)  # three times as quick as calling it


def priceable(r: Recorded, id_: int = 0) -> Priceable:
    """`id_`: 0: it has none yet, as it is being recorded."""
    f = r.facts
    told = (f.kind, f.model, f.response_id, f.response_status, f.service_tier, f.error_code, f.usage, f.billing)
    return _priceable((id_, r.method, r.path, r.transport, r.upstream, r.started_at_ns, r.status, r.outcome, f.parse, *told, r.steer))
