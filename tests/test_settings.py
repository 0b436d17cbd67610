"""What is not set lies where `VAR_DIR` says; what makes no sense is refused in our words."""

from __future__ import annotations

from pathlib import Path

import pytest

import main
from sales_forecast.errors import SettingsError, brief
from sales_forecast.settings import Settings, load_settings


@pytest.mark.parametrize("folder", ["var", "elsewhere/of mine"])
def test_what_is_not_named_lies_in_the_folder_of_the_deployment(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "MLFLOW_TRACKING_URI", "MODEL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAR_DIR", folder)
    settings = load_settings()
    assert f"sqlite:///{folder}/sales.db" == settings.database_url
    assert f"sqlite:///{folder}/mlflow.db" == settings.mlflow_tracking_uri
    assert f"{folder}/champion" == settings.model_uri
    monkeypatch.setenv("MODEL_URI", "models:/Sales-Forecasting@champion")
    assert "models:/Sales-Forecasting@champion" == load_settings().model_uri


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "it is empty"), (" ", "it is empty"), ("schlüssel", "ASCII"), ("a\nb", "ASCII"),
        (" key", "ASCII"),
    ],
)  # fmt: skip
def test_a_key_that_asks_for_nothing_or_cannot_be_sent_is_refused(
    key: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", key)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert refused.value.message.startswith("API_KEY: ")
    assert problem in refused.value.message
    assert key.strip() == "" or key not in refused.value.message


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("PORT", "abc", "must be a whole number, not 'abc'"),
        ("PORT", "0", "must be at least 1, not '0'"),
        ("PORT", "80800", "must be at most 65535, not '80800'"),
        ("PORT", "9" * 5000, f"must be a whole number, not '{'9' * 56}.."),
        ("ACCESS_LOG", "maybe", "must be true or false, not 'maybe'"),
        ("WORKERS", "1.5", "must be a whole number, not '1.5'"),
        ("THREADS", "65", "must be at most 64, not '65'"),
        ("REFRESH_SECONDS", "soon", "must be a number, not 'soon'"),
        ("REFRESH_SECONDS", "0", "must be more than 0, not '0'"),
        ("REFRESH_SECONDS", "nan", "must be at most 3600, not 'nan'"),
        ("FORECAST_HORIZON", "-1", "must be at least 1, not '-1'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_with_what_was_given(
    name: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert f"{name} {problem}." == refused.value.message


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields])
def test_a_setting_that_is_there_and_empty_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    if name == "TRUSTED_PROXIES":
        assert () == load_settings().trusted_proxies
        return
    with pytest.raises(SettingsError, match=f"^{name}: it is empty: leave it out"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("SESSION_SECRET", "my-secret", "it has 9 characters, and must have 32."),
        ("SOURCE_KEYS", "my-secret", 'it must be names and keys in JSON, such as {"name": "key"}.'),
        ("SOURCE_KEYS", '["my-secret"]', "it must be names and keys in JSON, such as"),
        ("SOURCE_KEYS", '{"of mine": ["my-secret"]}', "it must be names and keys in JSON, such as"),
        ("NOTIFY_WEBHOOK_URL", "my-secret", "it begins with https:// or http://."),
    ],
)
def test_a_secret_that_makes_no_sense_is_refused_and_not_repeated(
    name: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert refused.value.message.startswith(f"{name}: {problem}")
    assert "my-secret" not in refused.value.message


def test_a_file_of_params_that_is_named_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path("params.yaml") == load_settings().params_file
    monkeypatch.setenv("PARAMS_FILE", "prams.yaml")
    with pytest.raises(SettingsError, match=r"^PARAMS_FILE: there is no file prams\.yaml\.$"):
        load_settings()
    Path("prams.yaml").touch()
    assert Path("prams.yaml") == load_settings().params_file


def test_keys_of_sources_are_read_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_KEYS", '{"of mine": "my-secret"}')
    assert {"of mine": "my-secret"} == load_settings().keys_of_sources


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_that_keeps_nothing_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: it names no file; sqlite:///"):
        load_settings()


def test_settings_that_cannot_be_read_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"^\.env cannot be read: it is not text in UTF-8\.$"):
        load_settings()


@pytest.mark.parametrize("port", ["80800", "65536", "1.5", "x", "9" * 5000])
def test_a_port_that_there_is_not_is_refused_in_one_line(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main.main(["--port", port])
    said = capsys.readouterr().err.splitlines()[-1]
    assert 2 == refused.value.code
    assert f"error: argument --port: {brief(port)} is not a whole number from 0 to 65535" in said
    assert len(said) < 200


@pytest.mark.parametrize("host", ["a..b", "nowhere.invalid", "203.0.113.7", "x" * 300])
def test_a_host_that_is_not_here_is_refused_in_one_line(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert 1 == main.main(["--host", host, "--port", "0"])
    assert capsys.readouterr().err == (
        f"main.py: Cannot listen on {host}: this machine has no such address."
        " Choose another with --host or HOST.\n"
    )
