"""The errors that playhead raises. Each message tells the whole story and what to do; none holds a secret."""


class PlayheadError(Exception):
    """Base of all errors of playhead: its text is meant for a person and is shown as it is."""


class ConfigError(PlayheadError):
    """A setting, flag or file of settings is wrong. Exit status 2."""


class StoreError(PlayheadError):
    """The store, a key or the journal cannot be used as asked. Exit status 3."""


class DeadlockError(StoreError):
    """Two transactions waited for each other, and this one was given up: nothing of it is stored, and it can be made again."""


class RefusedError(StoreError):
    """The database does not take a value, now or ever."""


class UpstreamError(PlayheadError):
    """Upstream could not be reached, broke off or broke the protocol.

    `code` is the code of DESIGN 2.1 that the client is told: upstream_unreachable, upstream_protocol_error, upstream_timeout.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ReplayMiss(PlayheadError):
    """A replayed request has no recorded twin."""
