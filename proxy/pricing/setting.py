"""The price book that the settings ask for, and entries made by it. Files are read, and the library is loaded, when the first price is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from playhead.config.assumptions import Assumptions
from playhead.config.errors import ConfigError
from playhead.config.loading import read_tables
from playhead.config.settings import Settings

if TYPE_CHECKING:
    from playhead.storage.costing.costs import Cost
    from playhead.storage.records import Recorded

    from .entries import Entries
    from .pricing import Pricer

log = logging.getLogger("playhead")

CostOf = Callable[["Recorded"], "Cost | None"]


def pricer_for(settings: Settings, *more: Path) -> Pricer:
    """By our own tables and those of the settings, with `more` on top. Raises ConfigError for a table that cannot be read."""
    from playhead.config.listed_prices import installed_list
    from playhead.config.prices import own_table

    from .book import Book
    from .pricing import Pricer

    tables = read_tables((*settings.price_table, *more))
    return Pricer(Book(installed_list(), [own_table(), *tables]), Assumptions.parse(settings.assume))


def entries_for(settings: Settings, *more: Path, as_of: datetime | None = None) -> Entries:
    """For computing prices again. Raises ConfigError."""
    from .entries import Entries

    return Entries(pricer_for(settings, *more), "reprice", as_of)


class Costing:
    """Prices what is recorded. A failure costs the price, never the exchange."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._price: CostOf | None = None
        self._failed = False

    def __call__(self, recorded: Recorded) -> Cost | None:
        """The entry of an exchange that has ended; None if it has nothing to do with money, or could not be priced."""
        if self._failed and self._price is None:
            return None
        try:
            if self._price is None:
                self._price = self._loaded()
            return self._price(recorded)
        except Exception as error:
            if not self._failed:
                self._failed = True
                if isinstance(error, ConfigError):
                    log.error("nothing is priced: %s; `playhead reprice` does it later", error)
                else:
                    log.exception("an exchange could not be priced (writer %s, number %d)", recorded.writer, recorded.number)
            return None

    def _loaded(self) -> CostOf:
        from playhead.storage.costing.priceable import priceable

        from .entries import Entries

        entries = Entries(pricer_for(self._settings))
        return lambda recorded: entries.of(priceable(recorded))
