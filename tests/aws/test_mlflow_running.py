"""MLflow on its host, for real: on MySQL over TLS and S3, trained into and served from."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import certifi
import httpx
import pandas as pd
import pymysql
import pytest
from botocore.exceptions import ClientError

from aws_cloud_infra.mlflow_host import start
from sales_forecast.data.sample import sample_rows
from sales_forecast.training import tracking as registry
from tests.aws.account import Account
from tests.aws.host import MASTER, PASSWORDS, URLS, Host, running_host, tls_database
from tests.aws.machine import BUCKET, DATABASE, NAME, SECRETS
from tests.service.conftest import PREDICT
from tests.service.deployment import ROOT, Deployment
from tests.service.test_server import eventually, url_in
from tests.stages import only_stages

STORES = (3, 12, 30)
QUICK = """
windows: {weekly: {one_step: {windows: 13, step: 1}, many_steps: {horizon: 8, windows: 2, step: 4}}}
models: {usual: [random_forest, xgboost, arima, ensemble, rf_xgb_mean]}
"""
"""How well it learns is not the point."""


@pytest.fixture(scope="module")
def host(server: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with (
        tls_database() as database,
        running_host(server, database, tmp_path_factory.mktemp("host")) as running,
    ):
        yield running


@pytest.fixture
def as_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process asks MLflow as the jobs do."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORDS["admin"])


@pytest.fixture
def told(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """This process is told what the host is."""
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    return host


@pytest.mark.usefixtures("as_admin")
def test_a_run_with_an_artifact_is_logged_through_it_and_lands_in_the_bucket(host: Host) -> None:
    assert registry
    from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds

    client = MlflowClient(host.url)
    run = client.create_run(client.create_experiment("sales"))
    client.log_metric(run.info.run_id, "wape", 0.07)
    client.log_text(run.info.run_id, "a model", "model.txt")
    assert {"wape": 0.07} == client.get_run(run.info.run_id).data.metrics
    s3 = host.account.session().client("s3")
    (found,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert re.fullmatch(r"artifacts/\d+/[0-9a-f]{32}/artifacts/model\.txt", found["Key"])
    assert b"a model" == s3.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()


@pytest.mark.parametrize(
    ("called", "status"),
    [("127.0.0.1", 200), ("localhost:8080", 200), (socket.gethostname(), 200),
     ("evil.example.com", 403), ("mlflow.evil.example.com:5000", 403)],
)  # fmt: skip
def test_only_its_own_names_are_answered(host: Host, called: str, status: int) -> None:
    url = f"{host.url}/api/2.0/mlflow/experiments/get?experiment_id=0"
    answer = httpx.get(url, headers={"Host": called}, auth=("reader", PASSWORDS["reader"]))
    assert status == answer.status_code


@pytest.mark.parametrize(
    ("user", "password", "reads", "writes"),
    [("admin", PASSWORDS["admin"], 200, 200), ("reader", PASSWORDS["reader"], 200, 403),
     ("admin", PASSWORDS["reader"], 401, 401), ("nobody", "", 401, 401)],
)  # fmt: skip
def test_nobody_asks_without_a_password_and_the_service_changes_nothing(
    host: Host, user: str, password: str, reads: int, writes: int
) -> None:
    at, tag = f"{host.url}/api/2.0/mlflow/experiments", {"key": "a", "value": "b"}
    with httpx.Client(auth=(user, password)) as client:
        read = client.get(f"{at}/get?experiment_id=0")
        written = client.post(f"{at}/set-experiment-tag", json={"experiment_id": "0", **tag})
    assert (reads, writes) == (read.status_code, written.status_code)


def test_its_private_address_with_the_port_is_one_of_its_names(host: Host) -> None:
    """As the service calls it. On this machine that is the address by which it reached MariaDB."""
    arguments = _arguments_of(host)
    names = arguments[arguments.index("--allowed-hosts") + 1].split(",")
    assert {"127.0.0.1", f"127.0.0.1:{host.port}", f"{socket.gethostname()}:{host.port}"} <= {
        *names
    }
    assert {NAME, f"{NAME}:{host.port}"} <= {*names}
    assert "*" not in names


def _arguments_of(host: Host) -> list[str]:
    assert host.server is not None
    return Path(f"/proc/{host.server.pid}/cmdline").read_text().split("\0")


@pytest.mark.parametrize("user", ["sales", "service"])
def test_each_secret_opens_the_services_database_and_no_other(host: Host, user: str) -> None:
    found = re.fullmatch(
        rf"mysql\+pymysql://{user}:([\w-]{{43}})@127\.0\.0\.1:{host.database.port}/sales"
        r"\?ssl_check_hostname=false",
        host.shared_url(user),
    )
    assert found
    with closing(host.database.connect(user, found[1])) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SHOW DATABASES")
            assert {"sales", "information_schema"} == {name for (name,) in cursor.fetchall()}
        with connection.cursor() as cursor, pytest.raises(pymysql.OperationalError, match="1044"):
            cursor.execute("USE mlflow")
    with pytest.raises(pymysql.OperationalError, match="1045"):
        host.database.connect(user, found[1], ssl_disabled=True, ssl=None)


def test_what_it_shares_lets_tasks_in_and_holds_the_database_to_its_name(
    host: Host, tmp_path: Path
) -> None:
    from sales_forecast.data.database import Database  # noqa: PLC0415 - brings SQLAlchemy along
    from sales_forecast.database_trust import verified  # noqa: PLC0415
    from sales_forecast.errors import DatabaseError  # noqa: PLC0415

    for user in URLS:
        url = verified(host.shared_url(user), host.shared_authorities, tmp_path)
        with closing(Database(url)) as database:
            database.version()
        with (
            closing(Database(url.replace("127.0.0.1", "localhost"))) as database,
            pytest.raises(DatabaseError, match="certificate is not valid for 'localhost'"),
        ):
            database.version()


@pytest.mark.usefixtures("told")
def test_a_database_that_cannot_prove_itself_is_told_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUTHORITIES", certifi.where())
    with pytest.raises(pymysql.OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        start.open_databases(DATABASE)


def test_no_password_is_in_the_log_or_in_what_other_users_can_see(host: Host) -> None:
    assert host.server is not None
    environment = Path(f"/proc/{host.server.pid}/environ").read_text()
    (own,) = re.findall(
        r"MLFLOW_BACKEND_STORE_URI=mysql\+pymysql://mlflow:([\w-]{43})@", environment
    )
    shared = [re.findall(r":([\w-]{43})@", host.shared_url(user))[0] for user in URLS]
    own_passwords = (own, *shared, MASTER[1], *PASSWORDS.values())
    seen = host.log.read_text() + " ".join(_arguments_of(host))
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            seen += process.read_text()
    assert [] == [password for password in own_passwords if password in seen]


def test_a_login_that_is_gone_is_made_again_as_its_secret_says(told: Host) -> None:
    before = {user: told.shared_url(user) for user in URLS}
    with closing(told.database.connect(*MASTER)) as connection, connection.cursor() as cursor:
        cursor.execute("DROP USER sales, service")
    with closing(start.open_databases(DATABASE)) as databases:
        start.share_sales(databases, SECRETS)
    assert before == {user: told.shared_url(user) for user in URLS}
    for user, url in before.items():
        told.database.connect(user, re.findall(r":([\w-]{43})@", url)[0]).close()


def test_somebodys_own_database_in_the_secrets_is_left_alone(told: Host) -> None:
    secrets = told.account.session().client("secretsmanager")
    before = told.shared_url()
    own = "postgresql+psycopg://me:mine@db.example.com/sales"
    secrets.put_secret_value(SecretId=URLS["sales"], SecretString=own)
    secrets.delete_secret(SecretId=URLS["service"], ForceDeleteWithoutRecovery=True)
    secrets.create_secret(Name=URLS["service"])
    with closing(start.open_databases(DATABASE)) as databases:
        start.share_sales(databases, SECRETS)
        assert own == told.shared_url()
        with pytest.raises(ClientError, match="AWSCURRENT"):
            told.shared_url("service")
        secrets.put_secret_value(SecretId=URLS["sales"], SecretString=before)
        start.share_sales(databases, SECRETS)


@pytest.mark.parametrize(
    "changes",
    [{"DATABASE": "not-there"}, {"SECRETS": "not-there"}, {"DATABASE_PORT": "1"}],
)
def test_what_is_not_there_yet_ends_it_with_one_line(host: Host, changes: dict[str, str]) -> None:
    done = subprocess.run(
        host.machine.of_unit("ExecStart").split(),
        env={**host.environment, **changes}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 1 == done.returncode
    assert done.stderr.startswith("MLflow cannot start yet: ")
    assert 1 == len(done.stderr.splitlines())


class Tasks(NamedTuple):
    """What the tasks are told."""

    jobs: dict[str, str]
    service: dict[str, str]


@pytest.fixture(scope="module")
def trained_into(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Tasks:
    """Load and train by the commands that people use. Gives what jobs and service are told."""
    folder = tmp_path_factory.mktemp("training")
    settings = {
        "DATABASE_CA": host.shared_authorities,
        "MLFLOW_TRACKING_URI": host.url,
        "MODEL_URI": "models:/Sales-Forecasting@champion",
    }
    jobs, service = (
        {
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": PASSWORDS[user],
            "DATABASE_URL": host.shared_url(login),
        }
        for user, login in (("admin", "sales"), ("reader", "service"))
    )
    (folder / "quick.yaml").write_text(QUICK)
    jobs |= {
        "DATABASE_SERVICE_USER": "service",
        "PARAMS_FILE": f"{folder}/quick.yaml",
        "VAR_DIR": f"{folder}/trained",
    }
    service["VAR_DIR"] = f"{folder}/served"
    rows = sample_rows()
    table = pd.DataFrame({
        "Store": rows.store, "Date": rows.week, "Weekly_Sales": rows.sales, **rows.conditions
    })  # fmt: skip
    few = table[table["Store"].isin(STORES)]
    few.astype({"Holiday_Flag": int}).to_csv(folder / "sales.csv", index=False)
    for command in (["database_loader.py", "--csv", f"{folder}/sales.csv"], ["train.py"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, check=False,
            env={**os.environ, **settings, **jobs},
            capture_output=True, text=True,
        )  # fmt: skip
        assert 0 == done.returncode, done.stderr
        assert only_stages(done.stderr)
    return Tasks({**settings, **jobs}, {**settings, **service})


def test_runs_and_models_are_in_the_database_and_their_files_in_the_bucket(
    host: Host, trained_into: Tasks
) -> None:
    with closing(host.database.connect(*MASTER)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM mlflow.registered_models ORDER BY name")
        names = [name for (name,) in cursor.fetchall()]
        cursor.execute("SELECT COUNT(DISTINCT store) FROM sales.weekly_sales")
        ((stores,),) = cursor.fetchall()
    keys = [
        item["Key"].rsplit("/", 1)[-1]
        for page in host.account.session().client("s3").get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET
        )
        for item in page["Contents"]
    ]  # fmt: skip

    assert names == [f"{kind}Sales-Forecasting" for kind in ("ARIMA-", "RF-", "", "XGB-")]
    assert len(STORES) == stores
    assert 1 == keys.count("manifest.json")
    assert 3 == keys.count("MLmodel")


def _kept(host: Host) -> int:
    """Return how many answers of the service the database keeps."""
    with closing(host.database.connect(*MASTER)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM sales.predictions")
        ((kept,),) = cursor.fetchall()
    return int(kept)


def test_the_service_answers_from_what_it_finds_there(
    host: Host, trained_into: Tasks, tmp_path: Path
) -> None:
    deployment = Deployment(tmp_path)
    deployment.environment |= trained_into.service
    with deployment.served() as (_, line), httpx.Client(base_url=url_in(line)) as client:
        eventually(lambda: client.get("/ready").is_success)
        prediction = client.post("/predict_sales", json={**PREDICT, "Store": STORES[0]}).json()
        weeks = client.post("/forecast_sales", json={"store_id": STORES[0], "steps": 5})
        model = client.get("/model").json()
        eventually(lambda: _kept(host) == len([prediction, weeks]))
    deployment.database.close()

    assert 5 == len(weeks.json())
    assert prediction["models"].keys() == {"random_forest", "xgboost"}
    assert "models" == model["kind"]
    assert "models:/Sales-Forecasting@champion" == model["registry"]["model_uri"]
    assert model["registry"]["problem"] is None


def test_the_batch_job_writes_a_year_of_every_store(host: Host, trained_into: Tasks) -> None:
    done = subprocess.run(
        [sys.executable, "train.py", "forecast"], cwd=ROOT, check=False,
        env={**os.environ, **trained_into.jobs}, capture_output=True, text=True,
    )  # fmt: skip
    with closing(host.database.connect(*MASTER)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.role, COUNT(DISTINCT f.series_id), COUNT(*) FROM sales.forecasts f "
            "JOIN sales.forecast_issues i ON i.id = f.issue_id GROUP BY i.role ORDER BY i.role"
        )
        found = cursor.fetchall()

    assert 0 == done.returncode
    assert only_stages(done.stderr)
    assert (
        ("baseline", len(STORES), len(STORES) * 52),
        ("best", len(STORES), len(STORES) * 52),
    ) == tuple(found)


def test_a_server_that_was_killed_starts_again_with_what_it_had(host: Host) -> None:
    before = host.shared_url()
    host.kill()
    host.start()
    assert before == host.shared_url()
    url = f"{host.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
    answer = httpx.get(url, auth=("admin", PASSWORDS["admin"]))
    assert "Default" == answer.json()["experiment"]["name"]
