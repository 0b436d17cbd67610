"""Keys out of a file: what may stand in it, and that it changes while the service runs."""

from __future__ import annotations

import logging
import os
import re
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import main
from sales_forecast.errors import SettingsError
from sales_forecast.service.api_keys import ROLES, ApiKeys, Caller, new_entry
from sales_forecast.service.app import create_app
from sales_forecast.settings import load_settings
from tests.docs import code_blocks
from tests.fakes import FakePredictor, LiveStub, live_fake
from tests.service.conftest import ask_app

ANA, BEN, ROOT = "of-ana", "of-ben", "of-root"
ENTRY = '[[keys]]\nname = "{}"\nrole = "{}"\nsha256 = "{}"\n'


def hashed(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def entry(name: str = "ana", role: str = "viewer", key: str = ANA) -> str:
    return ENTRY.format(name, role, hashed(key))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(entry() + entry("ben", "planner", BEN))
    return path


def test_a_key_belongs_to_the_name_and_role_beside_its_hash(file: Path) -> None:
    keys = ApiKeys(None, file)
    assert 2 == len(keys)
    assert Caller("ana", "viewer") == keys.caller(ANA.encode())
    assert Caller("ben", "planner") == keys.caller(BEN.encode())
    for unknown in (b"", b"default", b"ana", hashed(ANA).encode(), b"\xff\xfe", ANA.encode() * 999):
        assert keys.caller(unknown) is None


def test_keys_may_be_told_as_text_where_there_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("API_KEYS_FILE", "-")
    assert ApiKeys.from_settings(load_settings()) is None
    for name in ("ana", "ben"):
        monkeypatch.setenv("API_KEYS_FILE", "# of ours\n" + entry(name))
        keys = ApiKeys.from_settings(load_settings())
        assert keys is not None
        assert Caller(name, "viewer") == keys.caller(ANA.encode())


def test_the_api_key_is_the_admin_called_default_alone_and_beside_a_file(file: Path) -> None:
    for keys in (ApiKeys(ROOT), ApiKeys(ROOT, file)):
        assert Caller("default", "admin") == keys.caller(ROOT.encode())
    assert Caller("ana", "viewer") == ApiKeys(ROOT, file).caller(ANA.encode())


@pytest.mark.parametrize("letters", [str.upper, str.lower])
def test_a_hash_may_be_written_in_capitals_and_after_a_mark_of_windows(file: Path, letters) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + ENTRY.format("a", "admin", letters(hashed(ANA))).encode())
    assert Caller("a", "admin") == ApiKeys(None, file).caller(ANA.encode())


def test_the_files_of_the_documentation_hold(file: Path) -> None:
    shown = code_blocks("serving.md", "toml")
    for content, keys in zip(shown, (1, 2), strict=True):
        file.write_text(content)
        assert keys == len(ApiKeys(None, file))


EMPTY = sha256(b"").hexdigest()
HEX = "must be 64 hexadecimal digits"
NO_TABLES = "`keys` must be tables, each under a line `[[keys]]`"
NO_KEY = "it holds no key; `python main.py --new-key NAME ROLE` makes one"
REFUSED = [
    ("", NO_KEY),
    ("# nobody yet\n", NO_KEY),
    ("keys = []", NO_KEY),
    (entry(role="boss"), "key 1: role must be 'viewer', 'planner' or 'admin', not 'boss'"),
    (entry(role="Admin"), "key 1: role must be 'viewer', 'planner' or 'admin', not 'Admin'"),
    (entry() + ENTRY.format("b", "admin", "ab" * 31), f"key 2: sha256: {HEX}, not 62 characters"),
    (ENTRY.format("a", "admin", "ab" * 33), f"key 1: sha256: {HEX}, not 66 characters"),
    (ENTRY.format("a", "admin", "g" * 64), f"key 1: sha256: {HEX}, and has another character"),
    (ENTRY.format("a", "admin", "٣" * 64), f"key 1: sha256: {HEX}, and has another character"),
    (ENTRY.format("a", "admin", EMPTY), "key 1: sha256: is that of an empty key"),
    ('[[keys]]\nname = "a"\nrole = "admin"\n', "key 1: sha256 is required"),
    ('[[keys]]\nname = "a"\nrole = "admin"\nsha256 = 7\n', "key 1: sha256: must be a text, or"),
    ('[[keys]]\nname = "a"\nrole = "admin"\nsha256 = []\n', "key 1: sha256: must be a text, or"),
    (entry() + 'key = "secret"\n', "key 1: key is not known"),
    (entry() + entry("ana", "admin", BEN), "the name 'ana' is given twice; `sha256` takes a list"),
    (entry() + entry("ben"), "'ben' and 'ana' have the same key"),
    (entry("root", "admin", ROOT), "'root' and 'default' have the same key"),
    (entry("default"), "key 1: name: 'default' is the name of API_KEY"),
    *[
        (entry(name), "key 1: name: must be 1 to 64 lower-case letters, digits, dots, dashes and ")
        for name in ("Ana", "", "ana ", "anä", ".ana", "a" * 65, "ana\\n")
    ],
    ('[[key]]\nname = "a"\n', "key is not known"),
    ('[keys]\nname = "a"\n', NO_TABLES),
    ("keys = [1]", NO_TABLES),
    ('keys = "secret"', NO_TABLES),
    ("[[keys]\n", "it is not TOML, see line 1, column 7"),
    (entry() + '[[keys]]\nname = "secret', "it is not TOML"),
    ("a = " + "9" * 5000, "it is not TOML"),
    ("a = " + "[" * 100_000, "it is not TOML"),
    (b"\xff\xfe", "it is not TOML"),
    (b"a\0", "it is not TOML"),
]


@pytest.mark.parametrize(("content", "problem"), REFUSED, ids=lambda value: str(value)[:30])
def test_a_file_that_makes_no_sense_is_refused_in_words_and_shows_no_secret(
    file: Path, content: str | bytes, problem: str
) -> None:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as refused:
        ApiKeys(ROOT, file)
    said = refused.value.message
    assert said.startswith(f"API_KEYS_FILE {file}: {problem}")
    assert said.endswith(".")
    assert len(said) < len(str(file)) + 250
    for secret in ("secret", hashed(ANA)[:8], "ab" * 8, "gggg"):
        assert secret not in said.removeprefix(f"API_KEYS_FILE {file}")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing.toml", "it cannot be read: No such file or directory"),
        (".", "it cannot be read: Is a directory"),
        ("a\0b", "no file has such a name"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(problem)):
        ApiKeys(None, tmp_path / name)


def test_a_changed_file_is_taken_up_and_the_same_one_is_not_read_as_new(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    keys = ApiKeys(ROOT, file)
    keys.refresh()
    assert [] == caplog.messages
    stat = file.stat()
    file.write_text(entry("ana", "planner", BEN) + entry("ben", "viewer", ANA))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as long as before, and as old
    keys.refresh()
    assert Caller("ben", "viewer") == keys.caller(ANA.encode())
    assert [f"The API keys of {file} are in force: 3."] == caplog.messages


@pytest.mark.parametrize("broken", ["", entry(role="boss"), None])
def test_a_broken_file_keeps_the_keys_before_it_and_is_told_once(
    file: Path, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    keys, before = ApiKeys(None, file), file.read_text()
    file.unlink() if broken is None else file.write_text(broken)
    for _ in range(3):
        keys.refresh()
    assert Caller("ana", "viewer") == keys.caller(ANA.encode())
    (said,) = caplog.messages
    assert said.startswith(f"API_KEYS_FILE {file}: ")
    assert said == f"{keys.problem} The keys before hold."
    file.write_text(before)
    keys.refresh()
    assert keys.problem is None


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_file_holds_looking_at_it_raises_nothing(file: Path, content: bytes) -> None:
    file.write_text(entry())
    keys = ApiKeys(None, file)
    file.write_bytes(content)
    keys.refresh()
    assert keys.problem is not None
    assert Caller("ana", "viewer") == keys.caller(ANA.encode())


def test_ready_says_that_the_file_cannot_be_used_and_not_what_is_in_it(
    tmp_path: Path, file: Path
) -> None:
    live = live_fake(tmp_path / "bundle", keys=ApiKeys(None, file))
    live.refresh()
    app = create_app(live)
    assert "warning" not in ask_app(app, "GET", "/ready").json()
    file.write_text(entry("carl", "boss"))
    live.refresh()
    assert (
        ask_app(app, "GET", "/ready").json()["warning"]
        == "The file of API keys cannot be used as it is now; the log says why."
    )
    file.write_text(entry("carl"))
    live.refresh()
    assert "warning" not in ask_app(app, "GET", "/ready").json()


def test_the_file_is_looked_at_though_the_database_does_not_answer(
    tmp_path: Path, file: Path
) -> None:
    live = live_fake(tmp_path / "bundle", version=None, keys=ApiKeys(None, file))
    file.write_text(entry("carl", "admin", BEN))
    live.refresh()
    assert live.keys is not None
    assert Caller("carl", "admin") == live.keys.caller(BEN.encode())


def test_a_key_is_exchanged_without_a_moment_in_which_none_is_known(file: Path) -> None:
    keys = ApiKeys(None, file)
    app = create_app(LiveStub(FakePredictor(), keys=keys))

    def answers(key: str) -> bool:
        return ask_app(app, "GET", "/model", headers={"X-API-Key": key}).is_success

    both = f'[[keys]]\nname = "ana"\nrole = "viewer"\nsha256 = ["{hashed(ANA)}", "{hashed(BEN)}"]\n'
    for content, known in ((entry(), (1, 0)), (both, (1, 1)), (entry(key=BEN), (0, 1))):
        file.write_text(content)
        keys.refresh()
        assert known == (answers(ANA), answers(BEN))


@pytest.mark.parametrize("role", ROLES)
def test_a_new_key_is_shown_once_and_its_lines_can_be_added_to_the_file(
    role: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main.main(["--new-key", "carl", role])
    shown = capsys.readouterr()
    with file.open("a") as more:
        more.write(shown.out)
    key = shown.err.removeprefix("The key of carl, shown this once: ").removesuffix("\n")
    assert Caller("carl", role) == ApiKeys(None, file).caller(key.encode())
    assert key not in shown.out
    assert re.fullmatch("[A-Za-z0-9_-]{43}", key)


def test_every_new_key_is_another(file: Path) -> None:
    keys = {new_entry("carl", "viewer")[0] for _ in range(100)}
    assert 100 == len(keys)
    assert all(tomllib.loads(new_entry("carl", "viewer")[1])["keys"] for _ in keys)


@pytest.mark.parametrize(("name", "role"), [("Carl", "viewer"), ("carl", "boss"), ("default", "x")])
def test_no_key_is_made_of_which_the_lines_would_be_refused(
    name: str, role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main.main(["--new-key", name, role])
    shown = capsys.readouterr()
    assert "" == shown.out
    assert re.fullmatch(r"main\.py: (name|role)\b.*\.\n", shown.err)
