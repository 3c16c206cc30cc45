"""Settings: which source counts, what is refused, and how that is said."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from playhead.config.errors import ConfigError
from playhead.config.loading import Loaded, load_settings
from playhead.config.settings import HostPort, Settings, flag, hint, shown, without_password


def load(tmp_path: Path, flags: dict[str, Any] | None = None, toml: str | None = None, **environ: str) -> Loaded:
    if toml is not None:
        (tmp_path / "playhead.toml").write_text(toml, encoding="utf-8")
    return load_settings(flags or {}, environ=environ, cwd=tmp_path)


def refusal(tmp_path: Path, flags: dict[str, Any] | None = None, toml: str | None = None, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, flags, toml, **environ)
    return str(caught.value)


def test_without_any_source_the_defaults_hold(tmp_path: Path) -> None:
    loaded = load(tmp_path)

    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}


def test_a_flag_counts_before_the_environment_before_the_file(tmp_path: Path) -> None:
    toml = 'session = "file"\nworkers = 2\nlisten = "127.0.0.1:1"\n'
    loaded = load(tmp_path, {"session": "flag"}, toml, PLAYHEAD_SESSION="environment", PLAYHEAD_WORKERS="3")

    assert (loaded.settings.session, loaded.settings.workers, loaded.settings.listen.port) == ("flag", 3, 1)
    assert [loaded.sources[name] for name in ("session", "workers", "listen", "data")] == [
        "flag --session",
        "environment variable PLAYHEAD_WORKERS",
        "playhead.toml",
        "default",
    ]


def test_what_is_wrong_is_said_once_though_it_might_be_of_two_kinds(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"take": "0"}).count("\n") == 0


def test_a_value_without_a_setting_is_refused_and_named_as_its_giver_calls_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^argument sesion: there is no such setting; did you mean session\?$"):
        load_settings({"sesion": "s"}, environ={}, cwd=tmp_path, place=lambda name: f"argument {name}")


def test_a_flag_that_was_not_given_does_not_count(tmp_path: Path) -> None:
    assert load(tmp_path, {"session": None}, PLAYHEAD_SESSION="mine").settings.session == "mine"


def test_an_empty_environment_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, PLAYHEAD_STORE="").settings.store is None


def test_other_programs_variables_do_not_count(tmp_path: Path) -> None:
    assert load(tmp_path, HOME="/", SESSION="x", playhead_session="y").settings == Settings()


def test_the_settings_file_may_have_another_name(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("workers = 4", encoding="utf-8")

    assert load(tmp_path, {"config": "other.toml"}).sources["workers"] == "other.toml"
    assert load(tmp_path, PLAYHEAD_CONFIG="other.toml").settings.workers == 4


def test_a_settings_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"config": "gone.toml"}) == "there is no settings file gone.toml"


def test_a_file_that_is_not_toml_is_refused_with_the_place(tmp_path: Path) -> None:
    assert "playhead.toml is not valid TOML: " in refusal(tmp_path, toml="workers =\n")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "playhead.toml").mkdir()

    assert "the settings file playhead.toml cannot be read: " in refusal(tmp_path)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"toml": "worker = 2"}, "worker (playhead.toml): there is no such setting; did you mean workers?"),
        ({"toml": "connect-timeout = 2"}, "connect-timeout (playhead.toml): there is no such setting; did you mean connect_timeout?"),
        (
            {"PLAYHEAD_UPSTRAEM": "x"},
            "environment variable PLAYHEAD_UPSTRAEM: there is no such setting; did you mean PLAYHEAD_UPSTREAM?",
        ),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_one(tmp_path: Path, source: dict[str, Any], text: str) -> None:
    assert refusal(tmp_path, **source) == text


def test_an_unknown_setting_like_no_other_is_refused_with_all_of_them(tmp_path: Path) -> None:
    text = refusal(tmp_path, toml="[zzzzzz]\na = 1")

    assert text.startswith("zzzzzz (playhead.toml): there is no such setting; the settings are assume, budgets, ca_file, ")


def test_the_mode_is_the_commands_alone(tmp_path: Path) -> None:
    assert "the command chooses the mode" in refusal(tmp_path, PLAYHEAD_MODE="forward")
    assert load(tmp_path, {"mode": "forward"}).sources["mode"] == "command"


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = refusal(tmp_path, {"workers": "0"}, 'listen = "8080"', PLAYHEAD_DATTA="x")

    assert len(text.split("\n")) == 3


WRONG: dict[str, list[object]] = {
    "upstream": ["", "api.openai.com", "ftp://host", "http://", "https://host/?q=1", "https://host#f", "https://host:0", "https://host:99999", 5],
    "listen": ["", "8080", ":8080", "localhost", "::1:80", "[::1]", "[zz]:80", "host:65536", "host:-1", "http://host:80", 8080, True],
    "data": ["", 5, "a\0b"],
    "store": ["store.db", "sqlite://x.db", "sqlite:///", "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "mysql://h/d", "sqlite+aiosqlite:///x", 5],
    "session": ["", "a b", "a/b", "x" * 129, "ä", 5],
    "workers": ["0", "65", "two", "1.5", True, 2.0, -1],
    "durability": ["STRICT", "none", True],
    "connect_timeout": ["0", "-1", "10x", "", "inf", "nan", float("nan"), float("inf"), True, "25h"],
    "read_timeout": ["0", "never", False],
    "drain_timeout": ["-1", "25h", "none"],
    "journal_limit": ["1", "1MB", "-1", "8 Gigs", 1.5, True],
    "console_token": ["short", "with a space", "ä" * 10, 5],
    "replay_token": ["short", "with a space", 5],
    "on_miss": ["retry", True],
    "live": ["maybe", True],
    "live_calls": ["-1", "few", 1.5, True],
    "live_money": ["-1", "1.5 USD", "1e3", ".5", "0." + "1" * 13, "nan", 1.5, True, ""],
    "live_unpriced": ["ask", True],
    "take": ["0", "-1", "newer", "1.5", True, ""],
    "pace": ["slow", "10", "0x", "x", "-1x", "1e3x", "", 10],
    "retry_after": ["-1", "25h", "never", True],
    "exhausted": ["first", 5],
    "websockets": ["maybe", True],
    "budgets": ["5", "5/year", "model=*:5/day", "key=*,session=*:1/day", 5, "", [5]],
    "key_name": ["production", "k_1=x", "k_0123456789abcdef=", "k_0123456789abcdef=a,k_0123456789abcdef=b", "k_0123456789abcdeg=x", 5, {"k_1": "x"}],
    "label_header": ["x team", "Authorization", "x-api-key", "Cookie", "x-my-token", "x-session-secret", "ümlaut", "", 5, ["a", 5]],
    "log_level": ["loud", 5],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_with_its_name_its_source_and_what_is_allowed(tmp_path: Path, name: str, value: object) -> None:
    text = refusal(tmp_path, {name: value})

    assert text.startswith(f"{name} = ")
    assert f"(flag {flag(name)}): allowed is " in text
    assert len(text) < 300


RIGHT = [
    ("upstream", "https://host/base/", "https://host/base"),
    ("upstream", "http://[::1]:8080", "http://[::1]:8080"),
    ("listen", "[::1]:0", HostPort("::1", 0)),
    ("store", "postgres://me@host/db", "postgresql+psycopg://me@host/db"),
    ("store", "sqlite:////var/x.db", "sqlite:////var/x.db"),
    ("session", "A.b_c:d-9", "A.b_c:d-9"),
    ("workers", "64", 64),
    ("connect_timeout", "500ms", 0.5),
    ("connect_timeout", 3, 3.0),
    ("read_timeout", "10m", 600.0),
    ("read_timeout", "none", None),
    ("drain_timeout", "0", 0.0),
    ("journal_limit", "512MiB", 512 << 20),
    ("journal_limit", "1.5 GB", 1_500_000_000),
    ("journal_limit", "2048KiB", 2 << 20),
    ("journal_limit", 1 << 20, 1 << 20),
    ("ca_file", "ca.pem", Path("ca.pem")),
    ("console_token", "0123456789", SecretStr("0123456789")),
    ("replay_token", "0123456789", SecretStr("0123456789")),
    ("take", "3", 3),
    ("take", 3, 3),
    ("take", "all", "all"),
    ("pace", "2.5x", "2.5x"),
    ("retry_after", "0", 0.0),
    ("retry_after", "none", None),
    ("budgets", "5.00/day; key=*:1/hour;session=x:2/total", ("5.00/day", "key=*:1/hour", "session=x:2/total")),
    ("budgets", ["5/day", "5/day"], ("5/day",)),
    ("budgets", "none", ()),
    ("key_name", "k_0123456789abcdef=the CI, k_00000000000000ff=x", ("k_0123456789abcdef=the CI", "k_00000000000000ff=x")),
    ("key_name", {"k_0123456789abcdef": "ci"}, ("k_0123456789abcdef=ci",)),
    ("key_name", "none", ()),
    ("label_header", "X-Team, x-env", ("x-team", "x-env")),
    ("label_header", ["x-team", "X-Team"], ("x-team",)),
    ("label_header", "none", ()),
]


@pytest.mark.parametrize(("name", "given", "meant"), RIGHT)
def test_a_right_value_is_understood(tmp_path: Path, name: str, given: object, meant: object) -> None:
    assert getattr(load(tmp_path, {name: given}).settings, name) == meant


def test_names_of_keys_are_a_table_in_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, toml='[key_name]\nk_0123456789abcdef = "ci"\n').settings.key_names == {"k_0123456789abcdef": "ci"}


def test_a_header_that_holds_a_secret_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "authorization is never stored, so that nothing can be grouped by it" in refusal(tmp_path, {"label_header": "x-team,Authorization"})


def test_faults_add_up_and_are_known_by_their_shortest_texts(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"fault": ("429  at turn 3; cut", "latency 1000ms")}, PLAYHEAD_FAULT="503")

    assert (loaded.settings.fault, loaded.sources["fault"]) == (("429 at turn 3", "cut", "latency 1s"), "flag --fault")
    assert load(tmp_path, {"fault": ()}, PLAYHEAD_FAULT="503; cut").settings.fault == ("503", "cut")
    assert load(tmp_path, toml='fault = ["503"]').settings.fault == ("503",)


def test_what_is_no_fault_is_refused_with_what_is_wrong_with_it(tmp_path: Path) -> None:
    assert "such as 429 retry-after=2 at turn 3, with ; between them; fault 'cutt': 'cutt' is no fault" in refusal(tmp_path, {"fault": ("429", "cutt")})


def test_a_path_may_begin_at_home(tmp_path: Path) -> None:
    assert load(tmp_path, {"data": "~/x"}).settings.data == Path("~/x").expanduser()


def test_no_message_repeats_a_password_or_a_token(tmp_path: Path) -> None:
    secrets = {"console_token": "hunter2", "replay_token": "hunter2"}
    text = refusal(tmp_path, {"store": "mysql://me:hunter2@host/d", "upstream": "https://me:hunter2@host", **secrets})

    assert "hunter2" not in text
    assert "me:***@host" in text


def test_a_console_that_others_can_reach_needs_a_token(tmp_path: Path) -> None:
    assert "it needs a console_token" in refusal(tmp_path, {"console": "0.0.0.0:8081"})
    assert load(tmp_path, {"console": "0.0.0.0:8081", "console_token": "0123456789"}).settings.console.port == 8081


@pytest.mark.parametrize(("pace", "speed"), [("instant", float("inf")), ("recorded", 1.0), ("10x", 10.0), ("0.5x", 0.5)])
def test_a_pace_is_a_speed(pace: str, speed: float) -> None:
    assert Settings(pace=pace).speed == speed


def test_a_replay_that_others_can_reach_needs_a_token(tmp_path: Path) -> None:
    assert "needs a replay_token" in refusal(tmp_path, {"mode": "replay", "listen": "0.0.0.0:8080"})
    assert load(tmp_path, {"mode": "replay", "listen": "0.0.0.0:8080", "replay_token": "0123456789"}).settings.listen.port == 8080
    assert load(tmp_path, {"mode": "record", "listen": "0.0.0.0:8080"}).settings.replay_token is None


def test_a_replay_runs_in_one_worker(tmp_path: Path) -> None:
    assert "workers = 2: " in refusal(tmp_path, {"mode": "replay", "workers": "2"})


@pytest.mark.parametrize(
    ("mode", "on_miss", "records"), [("record", "fail", True), ("forward", "record", False), ("replay", "forward", False), ("replay", "record", True)]
)
def test_it_is_known_whether_anything_is_recorded(mode: str, on_miss: str, records: bool) -> None:
    assert Settings.model_validate({"mode": mode, "on_miss": on_miss}).records is records


def test_the_default_store_is_in_the_data_directory() -> None:
    assert Settings(data=Path("here")).store_url == "sqlite:///here/store.db"
    assert Settings(data=Path("/is it here?")).store_url == "sqlite:////is%20it%20here%3F/store.db"


def test_what_is_shown_holds_no_secret(tmp_path: Path) -> None:
    flags = {"store": "postgresql://me:hunter2@host/db", "console_token": "hunter2hunter2"}
    plain = shown(load(tmp_path, flags).settings)

    assert "hunter2" not in str(plain)
    assert plain["store"] == "postgresql+psycopg://me:***@host/db"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("postgresql://u:p@ss@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?password=x&sslmode=require", "postgresql://h/d?password=***&sslmode=require"),
        ("sqlite:///a:b/c", "sqlite:///a:b/c"),
    ],
)
def test_a_password_in_a_url_is_masked_wherever_it_stands(url: str, plain: str) -> None:
    assert without_password(url) == plain


def test_settings_are_frozen_and_can_go_to_another_process() -> None:
    settings = Settings(console_token=SecretStr("0123456789"))

    with pytest.raises(ValidationError):
        settings.workers = 2
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_the_constructor_reads_no_environment() -> None:
    code = "from playhead.config.settings import Settings; print(Settings().workers)"
    environ = {**os.environ, "WORKERS": "9", "PLAYHEAD_WORKERS": "9"}

    assert subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True).stdout == b"1\n"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is_for_and_what_is_allowed(name: str) -> None:
    assert (Settings.model_fields[name].description or "").endswith(".")
    assert hint(name).allowed


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1:1", True), ("127.9.9.9:1", True), ("[::1]:1", True), ("localhost:1", True), ("0.0.0.0:1", False), ("[::]:1", False), ("host:1", False)],
)
def test_it_is_known_which_addresses_only_this_machine_reaches(address: str, loopback: bool) -> None:
    assert HostPort.parse(address).loopback is loopback


@given(st.one_of(st.ip_addresses().map(str), st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)), st.integers(0, 65535))
def test_an_address_reads_back_as_it_is_written(host: str, port: int) -> None:
    assert HostPort.parse(str(HostPort(host, port))) == HostPort(host, port)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert HostPort.parse(text).port <= 65535
