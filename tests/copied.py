"""The process that `warm` has copied for each program: it waits until it is asked, and imports nothing of what they need itself."""

from __future__ import annotations

import atexit
import contextlib
import gc
import marshal
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

MOST = 1 << 18


def serve(place: Path, run: int) -> None:
    """Make a copy for everyone who asks there, and tell its number and how it ended, until that process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # what is here stays, and nobody needs to look at it, which would copy it
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, selectors.DefaultSelector() as waiting:
        listener.bind(str(place))
        listener.listen(64)
        over = os.pidfd_open(run)
        waiting.register(over, selectors.EVENT_READ)
        waiting.register(listener, selectors.EVENT_READ)
        print("ready", flush=True)
        os.dup2(0, 1)  # whoever began us reads no further
        while ready := [key for key, _ in waiting.select() if key.fileobj != over]:
            for key in ready:
                if key.fileobj is listener:
                    _begin(listener.accept()[0], waiting)
                else:
                    _ended(key, waiting)
    shutil.rmtree(place.parent)


def _begin(line: socket.socket, waiting: selectors.BaseSelector) -> None:
    asked, descriptors, _, _ = socket.recv_fds(line, MOST, 3)
    pid = os.fork()
    if pid == 0:
        _be(asked, descriptors)
    for each in descriptors:
        os.close(each)
    line.send(b"%d" % pid)
    waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, line))


def _ended(key: selectors.SelectorKey, waiting: selectors.BaseSelector) -> None:
    pid, line = key.data
    waiting.unregister(key.fd)
    os.close(key.fd)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with line, contextlib.suppress(OSError):  # whoever asked may be gone
        line.send(b"%d" % status)


def _be(asked: bytes, descriptors: list[int]) -> NoReturn:
    """In the copy: be that program, to its end."""
    status: object = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        arguments, cwd, environ = marshal.loads(asked)
        for number, each in enumerate(descriptors):
            os.dup2(each, number)
        os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environ)
        _run(*arguments)
        status = 0
    except SystemExit as error:
        status = error.code or 0
        if isinstance(status, str):
            print(status, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


def _run(name: str, *arguments: str) -> None:
    """Do what this program does with these arguments."""
    # What is imported from is as it would be: nothing of the tests, and not the working directory unless that is asked for.
    sys.argv, sys.path[:1] = [name, *arguments], []
    if name == "playhead":
        from playhead.proxy.cli import main

        main()
    elif name == "pytest":
        import pytest

        sys.argv[1:1] = ["-W", "ignore:Module already imported so cannot be rewritten"]
        raise SystemExit(pytest.console_main())
    elif arguments[0] == "-c":
        sys.argv, sys.path[:0] = ["-c", *arguments[2:]], [""]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv, sys.path[:0] = [*arguments], [str(Path(arguments[0]).resolve().parent)]
        runpy.run_path(arguments[0], run_name="__main__")
