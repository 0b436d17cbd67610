"""What is not set lies where `VAR_DIR` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sales_forecast.errors import SettingsError
from sales_forecast.settings import load_settings


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
