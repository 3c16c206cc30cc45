"""`record` and `forward`, alone and around a command; the proxy as a child."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from command_line import PLAYHEAD, in_a_process
from playhead.config.settings import Settings
from playhead.proxy.commands.child import Child, reachable, without_proxies
from playhead.proxy.commands.serving import environment
from playhead.storage.store import Store

PROGRAM = "import os, sys, urllib.request as u; print(os.environ['OPENAI_BASE_URL']); u.urlopen(os.environ['OPENAI_BASE_URL'] + '/x'); sys.exit({})"


def test_a_command_gets_the_variables_of_its_upstreams_sdk_and_of_no_other() -> None:
    openai = environment("http://127.0.0.1:1", Settings())
    anthropic = environment("http://127.0.0.1:1", Settings(upstream="https://api.anthropic.com"))

    assert openai["OPENAI_BASE_URL"] == "http://127.0.0.1:1/v1"
    assert openai.get("ANTHROPIC_BASE_URL") == os.environ.get("ANTHROPIC_BASE_URL")
    assert anthropic["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:1"
    assert anthropic.get("OPENAI_BASE_URL") == os.environ.get("OPENAI_BASE_URL")


def test_a_command_that_is_replayed_from_recordings_alone_needs_no_key_and_reaches_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-its-own")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    alone = environment("http://127.0.0.1:1", Settings(mode="replay"))
    guarded = environment("http://127.0.0.1:1", Settings(mode="replay", replay_token=SecretStr("let-me-in")))
    auto = environment("http://127.0.0.1:1", Settings(mode="replay", on_miss="record"))

    assert (alone["OPENAI_API_KEY"], alone["ANTHROPIC_API_KEY"]) == ("sk-its-own", "unused")
    assert (alone["OPENAI_BASE_URL"], alone["ANTHROPIC_BASE_URL"]) == ("http://127.0.0.1:1/v1", "http://127.0.0.1:1")
    assert (guarded["OPENAI_API_KEY"], guarded["ANTHROPIC_API_KEY"]) == ("let-me-in", "let-me-in")
    assert (auto["OPENAI_API_KEY"], auto.get("ANTHROPIC_API_KEY")) == ("sk-its-own", None)


def test_the_proxy_is_reached_directly_whatever_proxies_are_set() -> None:
    assert without_proxies({"NO_PROXY": "example.com"})["NO_PROXY"] == "example.com,127.0.0.1,localhost,::1"
    assert without_proxies({})["no_proxy"] == "127.0.0.1,localhost,::1"


def test_what_is_bound_to_all_addresses_is_reached_by_the_loopback_one() -> None:
    assert [reachable(host) for host in ("0.0.0.0", "::", "10.0.0.1")] == ["127.0.0.1", "::1", "10.0.0.1"]


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """The base URL of an upstream in a process of its own."""
    handler = "def ok(self):\n  self.send_response(200); self.send_header('Content-Length', '0'); self.end_headers()\n"
    code = f"import http.server as h\n{handler}H = type('H', (h.BaseHTTPRequestHandler,), {{'do_GET': ok}})\n"
    code += "s = h.HTTPServer(('127.0.0.1', 0), H)\nprint(s.server_port, flush=True)\ns.serve_forever()\n"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


@pytest.mark.parametrize("status", [0, 7])
def test_record_around_a_command_records_what_it_does_and_ends_as_it_ends(status: int, upstream: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = ["record", "--upstream", upstream, "--data", str(data), "--session", "s", "--", sys.executable, "-c", PROGRAM.format(status)]
    done = in_a_process(*command)

    assert done.status == status, done.err
    assert "playhead: recorded in session s: 1 complete\n" in done.err
    assert done.out.startswith("http://127.0.0.1:")
    with Store.open(f"sqlite:///{data}/store.db") as store:
        assert [row.path for row in store.exchanges("s")] == ["/v1/x"]


def test_forward_around_a_command_records_nothing(upstream: str, tmp_path: Path) -> None:
    command = ["forward", "--upstream", upstream, "--data", str(tmp_path / "data"), "--", sys.executable, "-c", PROGRAM.format(3)]
    done = in_a_process(*command)

    assert done.status == 3, done.err
    assert not (tmp_path / "data" / "store.db").exists()


def test_a_command_that_a_signal_ends_ends_as_a_shell_says(upstream: str, tmp_path: Path) -> None:
    command = ["forward", "--upstream", upstream, "--data", str(tmp_path), "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]

    assert in_a_process(*command).status == 137


def test_a_stop_reaches_the_command(upstream: str, tmp_path: Path) -> None:
    program = "import time; print('up', flush=True); time.sleep(60)"
    command = ["forward", "--upstream", upstream, "--data", str(tmp_path), "--", sys.executable, "-c", program]
    with subprocess.Popen([*PLAYHEAD, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a Python of its own")
def test_the_server_around_a_command_is_a_copy_of_what_starts_it(upstream: str, tmp_path: Path) -> None:
    program = "import json, psutil; me = psutil.Process(); launcher = me.parent(); beside = [one.cmdline() for one in launcher.children() if one != me]"
    program += "; print(json.dumps([beside, launcher.cmdline()]))"
    done = in_a_process("forward", "--upstream", upstream, "--data", str(tmp_path), "--", sys.executable, "-c", program)
    servers, launcher = json.loads(done.out)

    assert servers == [launcher]


def test_a_server_ends_with_its_launcher_even_if_that_is_killed(upstream: str, tmp_path: Path) -> None:
    command = ["record", "--upstream", upstream, "--data", str(tmp_path), "--", sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen([*PLAYHEAD, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        server = next(each for each in psutil.Process(process.pid).children() if each.children())
        process.kill()
        with contextlib.suppress(psutil.NoSuchProcess):
            while server.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)


def test_a_port_in_use_cannot_be_served_on(upstream: str, tmp_path: Path) -> None:
    taken = upstream.removeprefix("http://")
    command = ["record", "--upstream", upstream, "--data", str(tmp_path), "--listen", taken, "--console", "127.0.0.1:0"]
    done = in_a_process(*command)

    assert (done.status, done.err.count("\n")) == (3, 1)
    assert taken in done.err


def test_a_child_that_is_done_has_drained(upstream: str, tmp_path: Path) -> None:
    flags = ["--listen=127.0.0.1:0", "--console=127.0.0.1:0", f"--upstream={upstream}", f"--data={tmp_path}"]
    with Child(["record", *flags]) as child:
        assert child.base_url.startswith("http://127.0.0.1:")

    assert child.stop() == 0
