"""The command line: finds the command, runs it, and turns every failure into one line and an exit status.

Exit status: 0 done; 1 what was asked to be checked failed; 2 wrong usage; 3 could not run.
A command's module is imported when that command is asked for, so that `playhead --help` is quick.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import os
import select
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any, NoReturn

import click

from playhead.config.errors import ConfigError, PlayheadError

from .commands.saying import say

DONE, FAILED, WRONG_USAGE, COULD_NOT_RUN = range(4)
INTERRUPTED = 130
_GARBAGE = 50_000  # what is imported is no garbage, however much it is


@dataclass(frozen=True, slots=True)
class Listed:
    """A command in the list of commands: the module that has it, under its own name, and its one line of help."""

    module: str
    help: str


SECTIONS: Mapping[str, Mapping[str, Listed]] = {
    "Record and replay": {
        "demo": Listed("demo", "Record and replay a short agent session with a simulated upstream; needs no key."),
        "record": Listed("serving", "Forward everything to upstream and record it."),
        "replay": Listed("serving", "Serve what was recorded, exactly as it was; needs no key and no network."),
        "auto": Listed("serving", "Serve what was recorded, and record what was not."),
        "forward": Listed("serving", "Forward everything to upstream and record nothing."),
    },
    "Read": {
        "sessions": Listed("reading", "List the sessions."),
        "exchanges": Listed("reading", "List the exchanges of a session."),
        "events": Listed("reading", "List the events of an exchange."),
        "connections": Listed("connecting", "List the WebSocket connections of a session."),
        "connection": Listed("connecting", "Show one WebSocket connection: what is known of it, and its lanes over time."),
        "divergences": Listed("diverging", "List the requests of replays that had no recorded twin, and how they differ."),
        "faults": Listed("faulting", "List the faults that replays of a session served, and what the client did after each."),
        "rules": Listed("ruling", "List or change what does not count when requests are compared with a session's recordings."),
        "show": Listed("showing", "Show one exchange: what is known of it, its request and its response."),
    },
    "Decide": {
        "accept": Listed("deciding", "Take a request without a twin for the exchange that it resembles most, by a rule or as it is."),
        "rerecord": Listed("deciding", "Record an exchange anew in the next run that may go live."),
        "fork": Listed("deciding", "Make a new session of the beginning of another one."),
    },
    "Count": {
        "audit": Listed("auditing", "Say what was used and what it cost, by model, day, key, project, ..."),
        "reconcile": Listed("reconciling", "Lay a bill of the provider beside the ledger, and explain what differs."),
        "reprice": Listed("pricing", "Compute again what exchanges cost, by other prices or those of another time."),
    },
    "Keep": {
        "stats": Listed("keeping", "Say what the store holds, how big it is, and what it lacks."),
        "verify": Listed("verifying", "Check every recording: hashes, references, journal; or whether others changed anything."),
        "reparse": Listed("deriving", "Parse recordings again that an older version has parsed."),
        "export": Listed("cassettes", "Write a session to a file: a cassette, made for git."),
        "import": Listed("cassettes", "Add the sessions in files to the store."),
        "redact": Listed("redacting", "Take away from a session what should not have been recorded."),
        "prune": Listed("pruning", "Delete what is kept no longer: content and costs by clocks of their own."),
        "delete": Listed("keeping", "Delete an exchange or a whole session."),
        "config": Listed("keeping", "Show the settings in force and where each comes from."),
    },
    "Learn": {
        "help": Listed("helping", "Explain a topic at length, or a command."),
    },
}


class _ReaderGoneError(Exception):
    """Whoever read our output has enough. For click a broken pipe is a failure: it would exit with 1, as if what was asked to be checked had failed."""


@contextlib.contextmanager
def _readers_may_go() -> Iterator[None]:
    """Raises PlayheadError: what broke is not standard output."""
    try:
        yield
    except BrokenPipeError as error:
        if not _nobody_reads(1):
            raise PlayheadError(error.strerror or "a connection broke") from error
        raise _ReaderGoneError from None


def _nobody_reads(number: int) -> bool:
    """Whether the other end of a pipe or a socket is closed."""
    looking = select.poll()
    looking.register(number, 0)  # that is told unasked
    return bool(looking.poll(0))


class Commands(click.Group):
    """The commands of `SECTIONS`, each imported when it is used."""

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        with _readers_may_go():  # of the help
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _readers_may_go():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for section in SECTIONS.values():
            if listed := section.get(cmd_name):
                name = f"{cmd_name}_" if iskeyword(cmd_name) or cmd_name == "help" else cmd_name
                command: click.Command = getattr(importlib.import_module(f".commands.{listed.module}", __package__), name)
                return command
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args[0] not in names:
            near = get_close_matches(args[0], names, 1)
            ctx.fail(f"there is no command {args[0]!r}{f'; did you mean {near[0]}?' if near else ''}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(11), listed.help) for name, listed in section.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="COMMAND [OPTIONS]",
    epilog="Every option is also a setting: an option on the command line counts before PLAYHEAD_... in the environment, then playhead.toml, "
    "then the default. `playhead COMMAND --help` lists the options of a command.",
)
@click.version_option(package_name="playhead", message="playhead %(version)s")
def cli() -> None:
    """Record LLM API traffic and play it back: a proxy that forwards everything untouched, keeps every byte, and serves it again."""


def main() -> NoReturn:
    """The `playhead` script."""
    gc.set_threshold(_GARBAGE, 20, 50)
    _prepare_streams()
    _leave(run(sys.argv[1:]))


def _prepare_streams() -> None:
    """What was closed is the null device: no file of the store may get its number. What the locale cannot write, is spelled out."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - it stays open as long as the program runs
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _leave(status: int) -> NoReturn:
    """End at once: to take hundreds of modules apart would take longer than most commands."""
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit status. Never raises but for SystemExit of what it runs."""
    try:
        status = cli.main(list(arguments), prog_name="playhead", standalone_mode=False)
        sys.stdout.flush()
        return int(status or DONE)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # the help, as it is
        return WRONG_USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        say(f"{error.format_message()}{f' (see {context.command_path} --help)' if context else ''}")
        return WRONG_USAGE
    except (BrokenPipeError, _ReaderGoneError):
        # Without this the interpreter complains once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
    except (click.Abort, KeyboardInterrupt):
        say("stopped")
        return INTERRUPTED
    except ConfigError as error:
        say(str(error))
        return WRONG_USAGE
    except PlayheadError as error:
        say(str(error))
        return COULD_NOT_RUN
    except OSError as error:
        say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return COULD_NOT_RUN
