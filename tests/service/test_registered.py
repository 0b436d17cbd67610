"""What an alias names is fetched from a real MLflow server, and survives that server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from mlflow.tracking import MlflowClient

from sales_forecast.bundles.bundle import read_bundle
from sales_forecast.bundles.downloads import VERSION_TAG
from sales_forecast.bundles.registered import RegisteredModel
from sales_forecast.errors import OlderBundle, RegistryError
from sales_forecast.service.live import Live
from sales_forecast.training.challenger import Challenger, baseline_challenger
from sales_forecast.training.tracking.client import TrackingServer
from sales_forecast.training.tracking.log import log
from tests import trained
from tests.listening import listening
from tests.mlflow_server import MlflowServer, free_port
from tests.service.deployment import ROOT, Deployment
from tests.service.test_server import eventually, url_in
from tests.silent import endless_server

NEVER = Event()
URI = "models:/Sales-Forecasting@champion"


def version() -> str:
    """Of the shared bundle, which is trained for the first test and not when tests are listed."""
    return trained.challenger().version


@pytest.fixture(autouse=True, scope="module")
def _environment_as_it_was() -> Iterator[None]:
    """MLflow keeps the tracking address in the environment of the process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        yield


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def server(mlflow: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> TrackingServer:
    """Version 1 holds the bundle, version 2 another, version 3 no bundle, version 4 a false one."""
    server = TrackingServer(mlflow.url, tmp_path_factory.mktemp("var"))
    for made in (replace(trained.challenger(), models={}), another()):
        log(server, made, {})
    client = MlflowClient(mlflow.url)
    run = client.create_run("0")
    client.log_text(run.info.run_id, "nothing", "bundle/notes.txt")
    source = f"{run.info.artifact_uri}/bundle"
    client.create_model_version("Sales-Forecasting", source, run.info.run_id)
    second = client.get_model_version("Sales-Forecasting", "2")
    tags = {VERSION_TAG: version()}
    client.create_model_version("Sales-Forecasting", second.source, second.run_id, tags=tags)
    return server


@cache
def another() -> Challenger:
    """A bundle of the same sales that the growth baseline answers."""
    return baseline_challenger(trained.panel(), "sample", trained.tables(), "another")


@pytest.fixture
def champion(mlflow: MlflowServer, server: TrackingServer) -> str:
    """The first version is the champion. Gives the URL."""
    server.set_alias("champion", "1")
    return mlflow.url


def model(url: str, cache: Path, uri: str = URI) -> RegisteredModel:
    return RegisteredModel(uri, url, cache)


def a_minute_later(registered: RegisteredModel) -> None:
    registered._next = 0.0


def version_in(folder: Path) -> str:
    return read_bundle(folder).version


def problem_of(registered: RegisteredModel) -> str:
    with pytest.raises(RegistryError) as refused:
        registered.find(NEVER)
    assert 1 == len(refused.value.message.splitlines())
    return refused.value.message


def test_the_bundle_arrives_whole_and_is_downloaded_once(champion: str, tmp_path: Path) -> None:
    folder = model(champion, tmp_path).find(NEVER)

    assert version() == version_in(folder)
    assert {**trained.challenger().sealed.files} == {
        file.name: file.read_bytes() for file in folder.iterdir()
    }
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert folder == model(champion, tmp_path).find(NEVER)
    assert written == (folder / "manifest.json").stat().st_mtime_ns
    assert [folder] == list(folder.parent.iterdir())


def test_training_fetches_from_a_server_byte_for_byte_what_was_recorded(
    champion: str, server: TrackingServer
) -> None:
    folder = server.fetch("Sales-Forecasting", "champion")
    assert folder is not None
    found = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert {**trained.challenger().sealed.files} == found


def test_an_alias_that_moves_is_followed_within_a_minute(
    champion: str, server: TrackingServer, tmp_path: Path
) -> None:
    registered = model(champion, tmp_path)
    first = registered.find(NEVER)
    server.set_alias("champion", "2")

    assert first == registered.find(NEVER)
    a_minute_later(registered)
    assert another().version == version_in(registered.find(NEVER))


def test_it_says_what_the_server_confirmed_and_when(champion: str, tmp_path: Path) -> None:
    registered = model(champion, tmp_path)
    assert {"model_uri": URI, "confirmed_at": None, "problem": None} == registered.describe()
    registered.find(NEVER)

    told = registered.describe()
    assert None is told["problem"]
    confirmed = datetime.fromisoformat(str(told["confirmed_at"]))
    assert timedelta() <= datetime.now(UTC) - confirmed < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("models:/Sales-Forecasting@nobody", "Registered model alias nobody not found."),
        ("models:/No-Such-Model@champion", "Registered Model with name=No-Such-Model not found."),
    ],
)
def test_a_name_that_names_nothing_is_told_in_the_words_of_mlflow(
    champion: str, tmp_path: Path, uri: str, reason: str
) -> None:
    assert f"{uri} cannot be fetched: {reason}" == problem_of(model(champion, tmp_path, uri))


def test_what_is_no_bundle_is_refused_and_leaves_nothing(
    champion: str, server: TrackingServer, tmp_path: Path
) -> None:
    server.set_alias("champion", "3")

    assert f"{URI} is no bundle: it has no manifest.json." == problem_of(model(champion, tmp_path))
    assert [] == list((tmp_path / "Sales-Forecasting").iterdir())


def test_what_was_exchanged_in_the_registry_is_refused(
    champion: str, server: TrackingServer, tmp_path: Path
) -> None:
    """It is whole and right in itself, but not what was registered."""
    server.set_alias("champion", "4")

    assert problem_of(model(champion, tmp_path)) == (
        f"The registry says that it holds version {version()}, and what it gave is "
        f"{another().version}: it was changed there. Run `python train.py` again."
    )


def test_a_bundle_of_an_earlier_release_is_fetched_for_whoever_can_tell_it_from_damage(
    tmp_path: Path,
) -> None:
    manifest = b'{"format": 3, "version": "2012-10-26-7ac8d427"}'
    listed = {"files": [{"path": "manifest.json", "file_size": len(manifest)}]}
    pages = {
        "alias": alias("mlflow-artifacts:/1"),
        "path=1": (200, json.dumps(listed).encode()),
        "manifest.json": (200, manifest),
    }
    with answering(pages) as url:
        folder = model(url, tmp_path).find(NEVER)

    with pytest.raises(OlderBundle):
        read_bundle(folder)
    assert manifest == (folder / "manifest.json").read_bytes()


def test_a_start_without_server_and_cache_says_why(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"

    assert f"{URI} cannot be fetched: Connection refused." == problem_of(model(nobody, tmp_path))


def test_what_is_kept_replaces_what_was_kept(
    champion: str, server: TrackingServer, tmp_path: Path
) -> None:
    registered = model(champion, tmp_path)
    first = registered.find(NEVER)
    registered.keep(first)
    server.set_alias("champion", "2")
    a_minute_later(registered)
    second = registered.find(NEVER)
    registered.keep(second)

    cache = tmp_path / "Sales-Forecasting"
    assert {second.parent, cache / "champion"} == set(cache.iterdir())
    assert second == (cache / "champion").resolve()


def test_a_stop_ends_a_fetch(champion: str, tmp_path: Path) -> None:
    stop = Event()
    stop.set()

    with pytest.raises(RegistryError, match="not fetched, the service stops"):
        model(champion, tmp_path).find(stop)
    assert [] == list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_costs_no_answer(
    champion: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registered = model(champion, tmp_path)
    folder = registered.find(NEVER)
    (tmp_path / "Sales-Forecasting" / "champion").mkdir()  # a link cannot replace a folder
    registered.keep(folder)

    assert "A restart without MLflow would find no model." in caplog.text


def answering(pages: Mapping[str, tuple[int, bytes]]) -> AbstractContextManager[str]:
    """Run a server that is not quite MLflow; `pages`: part of the path -> status and body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = next(page for part, page in pages.items() if part in self.path)
            self.send_response(status)
            if status == HTTPStatus.FOUND:
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return listening(Handler)


def alias(source: object, **changes: str) -> tuple[int, bytes]:
    found = {"version": "1", "run_id": "r", "source": source, **changes}
    return 200, json.dumps({"model_version": found}).encode()


LISTED = [{"path": "manifest.json", "file_size": 100_000}]


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ({"/": (502, b"<html>")}, "the tracking server answers 502 Bad Gateway."),
        ({"/": (403, b"Invalid Host header")}, "the tracking server answers 403 Forbidden."),
        ({"/": (302, b"file:///etc/passwd")}, "the tracking server answers 302 "),
        ({"/": (200, b"<html>")}, "cannot be fetched: Expecting value"),
        ({"/": (200, b"{}")}, "cannot be fetched: 'model_version'."),
        ({"/": (200, b'{"model_version": ["a"]}')}, "cannot be fetched: "),
        ({"/": (200, b"[" * 100_000)}, "cannot be fetched: "),
        ({"/": alias(1)}, "cannot be fetched: "),
        ({"/": alias("", version="../../out")}, "calls a version or a run ../../out: no name."),
        ({"/": alias("", run_id="/etc")}, "calls a version or a run /etc: no name."),
        ({"/": alias("", version="1\r\n2")}, "calls a version or a run 1?2: no name."),
        (
            {
                "alias": alias("mlflow-artifacts:/1"),
                "path=1": (200, json.dumps({"files": LISTED}).encode()),
                "manifest.json": (200, b"[" * 100_000),
            },
            "manifest.json: it is not JSON.",
        ),
        ({"/": alias("file:///etc")}, "lies at file:///etc, not behind the tracking server."),
        ({"/": alias("s3://bucket/1")}, "lies at s3://bucket/1, not behind the tracking server."),
        (
            {
                "alias": alias("mlflow-artifacts:/1"),
                "path=1": (200, b'{"files": [{"path": "manifest.json", "file_size": 9}]}'),
                "manifest.json": (200, b"cut"),
            },
            "of manifest.json, 3 of 9 bytes arrived.",
        ),
    ],
)
def test_a_server_that_is_not_what_it_should_be_is_told_in_one_line(
    tmp_path: Path, pages: Mapping[str, tuple[int, bytes]], reason: str
) -> None:
    with answering(pages) as url:
        assert reason in problem_of(model(url, tmp_path))
    assert [] == [*tmp_path.rglob("manifest.json")]


def fetched(tmp_path: Path, name: str, size: int, content: bytes) -> str:
    """What is said of a server that lists one file beside the manifest, and then gives it."""
    listed = [{"path": f"1/{name}", "file_size": size}, *LISTED]
    pages = {
        "alias": alias("mlflow-artifacts:/1"),
        "path=1": (200, json.dumps({"files": listed}).encode()),
        "/": (200, content),
    }
    with answering(pages) as url:
        return problem_of(model(url, tmp_path / "cache" / "fetched"))


@pytest.mark.parametrize("name", ["../../../../escaped", "..", "/etc/escaped"])
def test_a_server_cannot_let_files_be_written_elsewhere(tmp_path: Path, name: str) -> None:
    fetched(tmp_path, name, 4, b"mine")

    assert ["cache"] == [of.name for of in tmp_path.iterdir()]
    assert [] == [*(tmp_path / "cache" / "fetched" / "Sales-Forecasting").iterdir()]


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (10**15, "more than 2,000,000,000 bytes"),
        (-1, "0 of -1 bytes arrived"),
        (4, " of 4 bytes arrived"),
    ],
)
def test_a_server_cannot_fill_the_disk(tmp_path: Path, size: int, reason: str) -> None:
    assert reason in fetched(tmp_path, "trees.onnx", size, b"x" * 1_000_000)


def test_a_server_that_gives_a_bundle_by_the_byte_is_given_up(
    champion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.bundles.registered._SECONDS_FOR_A_BUNDLE", 0.0)

    assert f"{URI}: not fetched within 0 s." == problem_of(model(champion, tmp_path))


@pytest.mark.parametrize(
    "begin",
    [b"H", b"HTTP/1.1 200 OK\r\nX: a", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ids=["line", "head", "chunk"],
)
def test_a_server_that_answers_by_the_byte_is_given_up(
    begin: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.bundles.registered._SECONDS_FOR_AN_ANSWER", 0.3)

    with endless_server(begin) as port:
        problem = problem_of(model(f"http://127.0.0.1:{port}", tmp_path))

    assert f"{URI}: the tracking server did not answer within 0 s." == problem


def test_a_start_beside_such_a_server_serves_what_was_kept(
    champion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.bundles.registered._SECONDS_FOR_AN_ANSWER", 0.3)
    before = model(champion, tmp_path)
    kept = before.find(NEVER)
    before.keep(kept)

    with endless_server(b"H") as port:
        after = model(f"http://127.0.0.1:{port}", tmp_path)
        assert kept == after.find(NEVER)
    assert "did not answer within 0 s" in str(after.describe()["problem"])


def test_nothing_of_mlflow_is_needed_to_fetch() -> None:
    code = """
import sys
import sales_forecast.bundles.registered
print([name for name in ("mlflow", "pandas", "requests") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "[]" == done.stdout.strip()


def test_a_bundle_that_proved_itself_is_kept(champion: str, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.load()
    registered = model(champion, tmp_path / "fetched")
    live = Live(registered, deployment.database, 60)
    live.refresh()
    deployment.database.close()

    kept = tmp_path / "fetched" / "Sales-Forecasting" / "champion"
    assert live.predictor.version == version_in(kept)


@dataclass(frozen=True)
class Outage:
    """The server is down, and this is what there was while it was up."""

    asked: RegisteredModel
    """It fetched version 2, which nobody ever called good, after version 1, which is."""
    confirmed_at: str
    deployment: Deployment
    running: httpx.Client
    model: dict[str, Any]
    """What the running service said of its model."""


# From here on there is no server any more: to start it again takes long.
@pytest.fixture(scope="module")
def outage(
    mlflow: MlflowServer, server: TrackingServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outage]:
    server.set_alias("champion", "1")
    deployment = Deployment(tmp_path_factory.mktemp("deployment"))
    deployment.load()
    deployment.environment |= {"MODEL_URI": URI, "MLFLOW_TRACKING_URI": mlflow.url}
    asked = model(mlflow.url, tmp_path_factory.mktemp("cache"))
    asked.keep(asked.find(NEVER))
    with deployment.served() as (_, line), httpx.Client(base_url=url_in(line)) as client:
        eventually(lambda: client.get("/ready").is_success)
        server.set_alias("champion", "2")
        a_minute_later(asked)
        asked.find(NEVER)
        confirmed = str(asked.describe()["confirmed_at"])
        model_then = client.get("/model").json()
        mlflow.kill()
        yield Outage(asked, confirmed, deployment, client, model_then)
    deployment.database.close()


PROBLEM = f"{URI} cannot be fetched: Connection refused."


def test_while_the_server_is_down_the_bundle_fetched_before_stays(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        a_minute_later(outage.asked)
        assert another().version == version_in(outage.asked.find(NEVER))

    expected = {"model_uri": URI, "confirmed_at": outage.confirmed_at, "problem": PROBLEM}
    assert expected == outage.asked.describe()
    stays = f"{PROBLEM} The bundle that was confirmed at {outage.confirmed_at} stays."
    assert [stays] == caplog.messages


def test_a_start_without_the_server_serves_what_last_proved_itself(outage: Outage) -> None:
    started = model(outage.asked._server, outage.asked._cache.parent)

    assert version() == version_in(started.find(NEVER))
    assert PROBLEM == started.describe()["problem"]
    assert str(started.describe()["confirmed_at"]) <= outage.confirmed_at


def test_no_request_notices_that_the_server_is_down(outage: Outage) -> None:
    assert outage.running.get("/ready").is_success
    answer = outage.running.post("/forecast_sales", json={"store_id": 3, "steps": 1})
    assert version() == answer.headers["X-Model-Version"]


def test_a_service_that_starts_now_is_ready_and_says_since_when(outage: Outage) -> None:
    with outage.deployment.served() as (_, line), httpx.Client(base_url=url_in(line)) as client:
        eventually(lambda: client.get("/ready").is_success)
        now = client.get("/model").json()

    assert (version(), version()) == (outage.model["model_version"], now["model_version"])
    assert (None, PROBLEM) == (outage.model["registry"]["problem"], now["registry"]["problem"])
    then, since = (
        datetime.fromisoformat(told["registry"]["confirmed_at"]) for told in (outage.model, now)
    )
    assert abs(since - then) < timedelta(minutes=1)
