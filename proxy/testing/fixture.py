"""What a test gets as `playhead`, and what becomes of it when the test has ended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from playhead.config.errors import PlayheadError

from .telling import Counted, Named, Unused, diverged, left_unused, out_of_order
from .wanted import Mode, Wanted

if TYPE_CHECKING:
    from playhead.storage.records import DivergenceRecord

    from .servers import Served

__all__ = ["PlayheadFixture", "PlayheadServer"]

NO_KEY = "unused"  # some SDKs do not start without one
_LOOPBACK = "127.0.0.1,localhost,::1"


class PlayheadServer:
    """A server that is the same for the whole run: for programs that are started once and asked by many tests.

    What comes to it without the name of a session belongs to the test that is running.
    """

    def __init__(self, url: str, *, keys: bool) -> None:
        self.url = url
        """Without /v1, as clients of other APIs than OpenAI's want it."""
        self._keys = keys

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its `base_url`."""
        return f"{self.url}/v1"

    @property
    def env(self) -> dict[str, str]:
        """The variables by which SDKs find it: `subprocess.run(..., env={**os.environ, **playhead.env})`."""
        listed = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
        direct = listed if _LOOPBACK in listed else ",".join(filter(None, (listed, _LOOPBACK)))
        found = {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_BASE": self.base_url, "ANTHROPIC_BASE_URL": self.url, "NO_PROXY": direct, "no_proxy": direct}
        if self._keys:
            found |= {name: os.environ.get(name) or NO_KEY for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")}
        return found


class PlayheadFixture(PlayheadServer):
    """A test's own session in a server.

    `base_url`: for its clients. `cassette`: its file, which need not exist. `mode`: none, once, new_episodes, all or off.
    """

    def __init__(self, served: Served, wanted: Wanted, cassette: Path, tested: Named) -> None:
        super().__init__(f"{served.url}/@{served.session}", keys=served.replays)
        self.cassette = cassette
        self.mode: Mode = wanted.mode
        self.session = served.session
        self._served = served
        self._wanted = wanted
        self._tested = tested
        self._unused: list[Unused] = []
        self._told = 0
        self._counted = Counted(tested.nodeid, wanted.mode, cassette=tested.cassette)

    @property
    def divergences(self) -> list[DivergenceRecord]:
        """The requests of the test so far that had no recorded twin; `message` says why."""
        return list(self._served.divergences)

    @property
    def replayed(self) -> int:
        """How many requests of the test were answered from its cassette so far."""
        return self._served.replayed

    @property
    def ruled(self) -> int:
        """How many of these were equal to the recorded request only by a match rule, or since that was accepted."""
        return self._served.ruled

    @property
    def live(self) -> int:
        """How many went to upstream so far."""
        return self._served.live

    @property
    def unused(self) -> list[str]:
        """What stands in the cassette and was not asked for so far."""
        return [str(one) for one in self._served.unused()]

    def fault(self, spec: str) -> None:
        """From now on the test's answers meet this fault, such as `429 retry-after=2` or `cut after 2 response.output_text.delta`. Raises ConfigError."""
        self._served.fault(spec)

    def __repr__(self) -> str:
        return f"<playhead {self.mode} session {self.session} {self.url}>"

    # For the plugin.

    def complaint(self) -> str:
        """What is to be said of divergences that nothing was said of yet; empty if there are none."""
        found = self._served.divergences
        fresh, self._told = found[self._told :], len(found)
        if not fresh:
            return ""
        try:
            unused = self._served.unused()
        except PlayheadError:  # it is the divergence that counts
            unused = []
        return diverged(self._tested, fresh, unused)

    def finish(self, *, passed: bool) -> str:
        """The test has ended; what is to be said of that, if it makes the test fail. Raises PlayheadError: the cassette cannot be written, ..."""
        unused: list[Unused] = []
        moved: list[tuple[int, int]] = []
        try:
            unused = self._served.unused()
            if self._wanted.order == "fail" and not self._wanted.faults:  # what meets a fault is asked for again
                moved = self._served.moved()
            if self._wanted.accept is not None:
                self._counted.accepted = self._served.accept(self._wanted.accept)
        finally:
            self._served.finish()
        complaint = self.complaint()
        self._note(unused)
        content = self._served.content()
        if content is not None:
            self._keep(content, passed=passed and not self._served.divergences)
        if complaint or not passed:
            return complaint
        return "\n\n".join([*([out_of_order(self._tested, moved)] if moved else []), *self._left(unused)])

    def _left(self, unused: list[Unused]) -> Iterator[str]:
        allowed = self._wanted.allow_unused
        if self._wanted.unused == "fail" and allowed is not True and len(unused) > int(allowed):
            yield left_unused(self._tested, unused, int(allowed))

    def _keep(self, content: bytes, *, passed: bool) -> None:
        if not passed:
            self._counted.kept = "the test has not passed"
            return
        self._counted.kept = "it cannot be written"
        self._counted.written = self._served.keep(content)
        self._counted.kept = ""

    def _note(self, unused: list[Unused]) -> None:
        counted = self._counted
        counted.replayed, counted.live, counted.diverged = self.replayed, self.live, len(self._served.divergences)
        counted.ruled = self.ruled
        saved, spent = self._served.saved, self._served.spent
        counted.saved, counted.spent, counted.unpriced = saved.amount, spent.amount, saved.unpriced + spent.unpriced
        if self._wanted.allow_unused is not True and len(unused) > int(self._wanted.allow_unused):
            counted.unused = [str(one) for one in unused]

    @property
    def counted(self) -> Mapping[str, object]:
        """For the end of the run."""
        return self._counted.as_json()
