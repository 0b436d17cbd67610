"""MODEL_URI leads to a folder: at once, through a link, or by a registry's name for it."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from sales_forecast.bundles.location import Folder, ModelLocation, locate
from sales_forecast.bundles.registered import RegisteredModel
from sales_forecast.errors import BundleRefused, SettingsError
from sales_forecast.settings import Settings

NEVER = Event()
URI = "models:/Sales-Forecasting@champion"


def settings(model_uri: str, tracking_uri: str = "http://127.0.0.1:5000") -> Settings:
    return Settings(model_uri=model_uri, mlflow_tracking_uri=tracking_uri)


def folder(path: Path, var_dir: Path = Path("var")) -> ModelLocation:
    return locate(Settings(model_uri=str(path), var_dir=var_dir))


def test_a_link_is_followed_to_where_it_points_now(tmp_path):
    old, new, link = tmp_path / "v1", tmp_path / "v2", tmp_path / "champion"
    old.mkdir()
    new.mkdir()
    link.symlink_to(old)
    location = folder(link)
    assert location.find(NEVER) == old

    link.unlink()
    link.symlink_to(new)

    assert location.find(NEVER) == new


def test_a_folder_that_is_not_there_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    for name in ("none", "circle"):
        with pytest.raises(BundleRefused, match=rf"no model bundle at .*/{name}.*python train\.py"):
            folder(tmp_path / name, tmp_path).find(NEVER)


def test_a_folder_to_which_no_training_publishes_is_refused_with_that_to_which_it_does(tmp_path):
    with pytest.raises(BundleRefused) as refused:
        folder(tmp_path / "elsewhere", tmp_path / "var").find(NEVER)
    assert str(refused.value.message).endswith(
        f"`python train.py` puts its champion at {tmp_path}/var/champion: set MODEL_URI to where "
        "the bundle is, or leave it out."
    )
    with pytest.raises(BundleRefused, match=r"at .*/champion\. Run `python train\.py`, or set"):
        folder(tmp_path / "champion", tmp_path).find(NEVER)


def test_a_file_is_no_bundle(tmp_path):
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(BundleRefused, match="no model bundle"):
        folder(file).find(NEVER)


def test_a_folder_is_left_to_whoever_publishes_it(tmp_path):
    location = folder(tmp_path)
    location.keep(tmp_path)

    assert location.describe() is None
    assert [] == list(tmp_path.iterdir())


def test_a_uri_of_the_registry_is_told_from_a_folder():
    assert isinstance(locate(settings(URI)), RegisteredModel)
    assert isinstance(locate(settings("var/champion")), Folder)


@pytest.mark.parametrize("uri", ["models:/Sales-Forecasting", "models:/Sales-Forecasting/1"])
def test_a_uri_without_an_alias_is_refused_at_once(uri):
    with pytest.raises(SettingsError, match=r"is not of the form models:/NAME@ALIAS"):
        locate(settings(uri))


def test_a_registered_model_without_a_server_is_refused_at_once_with_what_to_do():
    with pytest.raises(SettingsError, match=r"set MLFLOW_TRACKING_URI.*MODEL_URI is the folder"):
        locate(settings(URI, "sqlite:///var/mlflow.db"))
