"""MODEL_URI leads to a folder: at once, through a link, or fetched by a child process."""

from __future__ import annotations

import sys
import time
from threading import Event, Timer

import pytest

from sales_forecast.errors import BundleRefused, RegistryError
from sales_forecast.service.location import Folder, RegisteredModel, locate

NEVER = Event()
URI = "models:/Sales-Forecasting@champion"


def fetched_by(script: str, cache) -> RegisteredModel:
    """Return a registered model that a small script fetches; its arguments are URI and folder."""
    return RegisteredModel(URI, cache, (sys.executable, "-c", script))


def test_a_link_is_followed_to_where_it_points_now(tmp_path):
    old, new, link = tmp_path / "v1", tmp_path / "v2", tmp_path / "champion"
    old.mkdir()
    new.mkdir()
    link.symlink_to(old)
    folder = Folder(link)
    assert folder.find(NEVER) == old

    link.unlink()
    link.symlink_to(new)

    assert folder.find(NEVER) == new


def test_a_folder_that_is_not_there_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(BundleRefused, match=r"no model bundle at .*/none.*python train\.py"):
        Folder(tmp_path / "none").find(NEVER)


def test_a_file_is_no_bundle(tmp_path):
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(BundleRefused, match="no model bundle"):
        Folder(file).find(NEVER)


def test_a_uri_of_the_registry_is_told_from_a_folder(tmp_path):
    assert isinstance(locate(URI, tmp_path), RegisteredModel)
    assert isinstance(locate("var/champion", tmp_path), Folder)


def test_a_registered_model_is_where_the_last_line_of_the_fetch_says(tmp_path):
    model = fetched_by("import sys; print('noise'); print(sys.argv[2] + '/v1')", tmp_path)

    assert model.find(NEVER) == tmp_path / "v1"


def test_a_registered_model_is_not_fetched_again_at_once(tmp_path):
    model = fetched_by(
        "import os, sys; print(sys.argv[2] + '/' + str(len(os.listdir(sys.argv[2]))))", tmp_path
    )
    first = model.find(NEVER)
    (tmp_path / "another").touch()

    assert first == model.find(NEVER) == tmp_path / "0"


def test_a_fetch_that_fails_gives_the_reason_of_the_child(tmp_path):
    model = fetched_by("import sys; sys.exit('no such alias: champion')", tmp_path)

    with pytest.raises(RegistryError, match=f"{URI} cannot be fetched: no such alias: champion"):
        model.find(NEVER)


def test_a_fetch_that_failed_is_not_tried_again_at_once(tmp_path):
    model = fetched_by("import os, sys; os.mkdir(sys.argv[2] + '/tried'); sys.exit('no')", tmp_path)

    for _ in range(2):
        with pytest.raises(RegistryError, match=r"cannot be fetched: no\.$"):
            model.find(NEVER)

    model._next = 0.0  # ten seconds have passed
    with pytest.raises(RegistryError, match="File exists"):
        model.find(NEVER)


def test_a_later_fetch_that_fails_keeps_the_bundle_fetched_before(tmp_path, caplog):
    once = "import os, sys; os.mkdir(sys.argv[2] + '/v1'); print(sys.argv[2] + '/v1')"
    model = fetched_by(once, tmp_path)
    first = model.find(NEVER)
    model._next = 0.0  # a minute has passed

    assert model.find(NEVER) == first
    assert "The bundle fetched before stays." in caplog.text


def test_a_fetch_ends_promptly_when_the_service_stops(tmp_path):
    stop = Event()
    Timer(0.3, stop.set).start()
    begin = time.monotonic()

    with pytest.raises(RegistryError):
        fetched_by("import time; time.sleep(60)", tmp_path).find(stop)

    assert time.monotonic() - begin < 10
