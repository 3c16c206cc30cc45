"""What the tests of a run say together: which of them would share a cassette, and which cassettes belong to none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .begun import cassette_of, shown
from .names import ENDING, shared

if TYPE_CHECKING:
    import pytest


class Collected:
    """Before anything is deselected. `items`: all tests; `users`: those that use playhead."""

    def __init__(self, config: pytest.Config, items: Sequence[pytest.Item], users: Sequence[pytest.Item]) -> None:
        self._config = config
        self._modules = {item.path for item in items}
        self._directories = {item.path.parent / str(config.getini("playhead_cassettes")) for item in users}
        named = {item: _named(item) for item in users}
        claims = Counter(cassette_of(item, name).resolve() for item, name in named.items())
        self._claimed = frozenset(claims)
        self.shared = frozenset(path for path, count in claims.items() if count > 1)
        """The cassettes that several tests have named."""
        self.clashes = shared((item.nodeid, str(cassette_of(item, None))) for item, name in named.items() if name is None)

    def orphans(self) -> list[str]:
        """Cassettes beside these tests that none of them uses. Of a module that was collected in part only, nothing is known."""
        if self._config.getoption("lf", False) or self._config.getoption("stepwise", False):
            return []
        partly = {Path(argument.partition("::")[0]).resolve() for argument in self._config.args if "::" in argument}
        whole = {path for path in self._modules if path.resolve() not in partly}
        found = (path for directory in self._directories for path in directory.rglob(f"*{ENDING}"))
        return [shown(path, self._config.rootpath) for path in found if path.resolve() not in self._claimed and self._nobodys(path, whole)]

    def _nobodys(self, cassette: Path, whole: Iterable[Path]) -> bool:
        """Whether the test module that it is named for is known as a whole, or gone."""
        module = cassette.parent.parent.parent / f"{cassette.parent.name}.py"
        return module in whole or not module.exists()


def _named(item: pytest.Item) -> str | None:
    """As the test's marker names its cassette."""
    for marker in item.iter_markers("playhead"):
        found = marker.args[0] if marker.args else marker.kwargs.get("cassette")
        if isinstance(found, str):
            return found
    return None
