"""A pass over a session that is begun again: what is said of it. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from playhead.config.errors import PlayheadError


class Rewound(NamedTuple):
    """A session that is replayed from its beginning again. `take`: None for all; `exchanges`: how many it has now; `served`: of those of the pass before,
    how many had been."""

    session: str
    take: int | None
    exchanges: int
    served: int

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """As it comes from another process. Raises RewindError: it could not be done."""
        if "error" in told:
            raise RewindError(told["error"], told["message"])
        return cls(**told)


class RewindError(PlayheadError):
    """A session cannot be rewound. `code`: one of ERRORS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def told(self) -> dict[str, Any]:
        """For another process."""
        return {"error": self.code, "message": str(self)}
