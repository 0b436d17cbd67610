"""What `infra.py` does with stacks that stand, each verb as it is called."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_cloud_infra import infra
from aws_cloud_infra.commands.main import main
from aws_cloud_infra.commands.operate import Operations, parser
from aws_cloud_infra.engine import actions, policy
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.operating import job
from aws_cloud_infra.stacks import both
from aws_cloud_infra.stacks.deliveries import TABLES
from sales_forecast.data.database import Database
from tests import apart
from tests.aws.account import DELIVERIES, Account, record
from tests.aws.fargate import Fargate
from tests.aws.iam import allows
from tests.aws.lifecycle import quietly
from tests.aws.trace import denied, trace
from tests.builders import panel_of_layout, weeks
from tests.pipeline.test_release import put

Run = Callable[..., tuple[int, str, str]]
PREFIX = "sales-forecast-production"
BUCKET = f"{PREFIX}-mlflow-123456789012"
OWN = 'series = ["shop"]\ndate = "week"\ntarget = "sold"\n'


@pytest.fixture(scope="module")
def made(server: Account) -> Account:
    """An account with both stacks, and an image of the jobs."""
    server.reset()
    aws = server.aws(**DELIVERIES)
    for stack in reversed(both(aws)):
        apply(plan(stack.resources), quietly)
    put(aws, "train-1")
    apply(plan(both(aws)[0].resources), quietly)
    return server


@pytest.fixture
def fargate(made: Account, tmp_path: Path) -> Iterator[Fargate]:
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/sales.db", "VAR_DIR": str(tmp_path / "var")}
    server = Fargate(made, settings)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def run(
    fargate: Fargate, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    for name, value in fargate.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(job, "_SECONDS_BETWEEN_LOOKS", 0.01)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(infra.build, list(arguments), operates=True)
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def sales(folder: Path, rows: str = "") -> Path:
    file = folder / "sales.csv"
    sold = "".join(
        f"{shop},{week},{10 + shop}\n" for shop in (1, 2) for week in weeks("2021-01-01", 60)
    )
    file.write_text(f"shop,week,sold\n{rows or sold}")
    (folder / "my.toml").write_text(OWN)
    return file


PLUGIN = """#!/bin/sh
printf '%s\\n' "$AWS_SSM_START_SESSION_RESPONSE" "$@" >"${SAID:-/dev/null}"
"""


def plugin_in(folder: Path) -> Path:
    """Put a stand-in for AWS's plugin into a folder: it writes down what it is told, to $SAID."""
    plugin = folder / "session-manager-plugin"
    plugin.write_text(PLUGIN)
    plugin.chmod(0o755)
    return folder


def in_bucket(account: Account) -> list[str]:
    answer = account.aws().client("s3").list_object_versions(Bucket=BUCKET, Prefix="loads")
    return [one["Key"] for one in (*answer.get("Versions", ()), *answer.get("DeleteMarkers", ()))]


def test_sales_are_loaded_by_a_job_and_no_copy_is_left(
    run: Run, fargate: Fargate, tmp_path: Path
) -> None:
    code, out, err = run("load", str(sales(tmp_path)), "--layout", str(tmp_path / "my.toml"))
    assert (0, "") == (code, err)
    assert "uploaded sales.csv (" in out
    assert re.search(r"^Stored now: series 2, weeks ending 2021-01-01 \.\. ", out, re.MULTILINE)
    with closing(Database(fargate.settings["DATABASE_URL"])) as database:
        assert 2 == database.read_panel().n_series
    assert [] == in_bucket(fargate.account)


def test_a_refused_file_is_told_with_its_reason_and_no_copy_is_left(
    run: Run, fargate: Fargate, tmp_path: Path
) -> None:
    file = sales(tmp_path, "1,2021-01-01,many\n")
    code, out, err = run("load", str(file), "--layout", str(tmp_path / "my.toml"))
    assert 1 == code
    assert "sales.csv, line 2, column sold: " in out
    assert "The job failed (exit code 1): what it printed says why.\n" == err
    assert [] == in_bucket(fargate.account)


def test_a_file_that_is_not_there_is_said_before_anything_starts(
    run: Run, fargate: Fargate
) -> None:
    assert (1, "", "none.csv is not there. Nothing was loaded.\n") == run("load", "none.csv")
    assert [] == fargate.commands


def test_the_jobs_are_started_by_their_own_commands(run: Run, fargate: Fargate) -> None:
    code, out, _ = run("train")
    assert 1 == code
    assert "database_loader.py" in out, "there are no sales yet, and the training says what to do"
    assert 1 == run("forecast")[0]
    code, out, _ = run("monitor", "guess", "--json")
    assert 1 == code
    assert "invalid choice: 'guess'" in out
    assert [
        ["python", "train.py"], ["python", "train.py", "forecast"],
        ["python", "monitor.py", "guess", "--json"],
    ] == fargate.commands  # fmt: skip


def test_a_job_that_does_not_start_is_told_with_the_reason_of_aws(
    run: Run, fargate: Fargate
) -> None:
    fargate.broken = "CannotPullContainerError: no space left"
    code, _, err = run("train")
    assert (1, f"The job did not run: {fargate.broken}.\n") == (code, err)


def test_what_a_job_said_can_be_read_afterwards(run: Run) -> None:
    run("train")
    code, out, _ = run("logs", "weekly")
    assert 0 == code
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .*database_loader\.py", out, re.MULTILINE)
    assert (0, "Nothing in the last 5 minutes.\n", "") == run("logs", "mlflow", "--minutes", "5")


@pytest.mark.parametrize("minutes", ["0", "-5", "1.5", "an hour", "99999999999"])
def test_how_long_ago_may_be_as_long_as_a_log_is_kept(
    minutes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["logs", f"--minutes={minutes}"])
    said = f"argument --minutes: {minutes} is not a whole number from 1 to 3682080, the 2557 days"
    assert said in capsys.readouterr().err


def test_the_printed_policy_allows_every_call(
    fargate: Fargate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setenv("PATH", f"{plugin_in(tmp_path)}:/usr/bin:/bin")
    session = Account(f"http://127.0.0.1:{fargate.server_port}").session()
    calls = record(session)
    aws = fargate.account.aws(session)
    serving, tracking = both(aws)
    file = str(sales(tmp_path))
    for words in (
        ["load", file, "--layout", str(tmp_path / "my.toml")], ["logs"], ["open", "mlflow"],
    ):  # fmt: skip
        Operations(parser().parse_args(words), aws, serving, tracking, lambda: 0).run()
    made = policy.statements((*serving.resources, *tracking.resources))
    granted = {
        action
        for statement in (*made, *serving.rights)
        for action in ([statement["Action"]] if isinstance(statement["Action"], str)
                       else statement["Action"])
    }  # fmt: skip
    assert set() == {actions.action(*call) for call in calls.made} - granted
    assert {"ecs:RunTask", "ssm:StartSession"} <= {actions.action(*call) for call in calls.made}


def test_where_nothing_was_made_each_verb_says_what_comes_first(
    made: Account, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path
) -> None:
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INFRA_ENVIRONMENT", "staging")
    for words, script in (
        (["load", str(sales(tmp_path))], "mlflow_infra.py"),
        (["train"], "infra.py"),
        (["logs"], ""),
    ):
        assert 1 == main(infra.build, words, operates=True)
        assert f"Run `{script}".removesuffix(" ") in capsys.readouterr().err


def test_mlflow_is_opened_through_a_session_whose_token_no_command_line_shows(
    run: Run, fargate: Fargate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "install AWS's Session Manager plugin" in run("open", "mlflow")[2]
    monkeypatch.setenv("PATH", f"{plugin_in(tmp_path)}:/usr/bin:/bin")
    monkeypatch.setenv("SAID", str(tmp_path / "said"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", f"http://127.0.0.1:{fargate.server_port}")
    code, out, err = run("open", "mlflow")
    assert (0, "") == (code, err)
    assert out.startswith("http://localhost:5000 is instance sales-forecast-production-mlflow")
    response, name, region, verb, profile, asked, endpoint = (
        (tmp_path / "said").read_text().splitlines()
    )
    assert "secret" == json.loads(response)["TokenValue"]
    assert ("AWS_SSM_START_SESSION_RESPONSE", "eu-central-1") == (name, region)
    assert ("StartSession", "", True) == (verb, profile, endpoint.startswith("http"))
    assert ["5000"] == json.loads(asked)["Parameters"]["portNumber"]


def test_a_delivery_gets_into_the_database_by_no_more_than_each_role_may(
    fargate: Fargate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Spark does in between, it does in tests/test_glue.py."""
    checks, s3 = apart.script("glue/checks"), fargate.account.session().client("s3")
    for name, value in fargate.environment().items():
        monkeypatch.setenv(name, value)

    def put_down(folder: str) -> None:
        files = [
            {"name": f"{table}.csv", "bytes": (path := tmp_path / f"{table}.csv").stat().st_size,
             "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
             "rows": path.read_text().count("\n") - 1}
            for table in TABLES["departments"]
        ]  # fmt: skip
        for file in files:
            s3.upload_file(str(tmp_path / file["name"]), BUCKET, f"{folder}/{file['name']}")
        body = json.dumps({"files": files}).encode()
        s3.put_object(Bucket=BUCKET, Key=f"{folder}/manifest.json", Body=body)

    def call(name: str, event: Any) -> set[str]:
        """Call a function as Lambda does; return what of its calls its role does not allow."""
        own = fargate.account.session()
        found = own.client("lambda").get_function_configuration(FunctionName=f"{PREFIX}-{name}")
        for variable, value in found["Environment"]["Variables"].items():
            monkeypatch.setenv(variable, value)
        session = boto3.Session(region_name="eu-central-1")
        calls = trace(session)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        getattr(checks, found["Handler"].removeprefix("checks."))(event)
        assert calls
        return denied(allowed(found["Role"].rsplit("/", 1)[-1]), calls)

    def no_room(parsed: dict[str, Any], **_: Any) -> None:
        parsed["failures"] = [{"reason": "RESOURCE:MEMORY"}]

    def allowed(role: str) -> list[dict[str, Any]]:
        answer = fargate.account.session().client("iam").get_role_policy(
            RoleName=role, PolicyName="what-it-needs"
        )  # fmt: skip
        return answer["PolicyDocument"]["Statement"]

    panel_of_layout("departments", tmp_path)
    put_down("raw/1")
    key = {"bucket": {"name": BUCKET}, "object": {"key": "raw/1/manifest.json"}}
    assert set() == call("delivered", {"Records": [{"s3": key}]})
    (run,) = (
        fargate.account.session().client("glue").get_job_runs(JobName=f"{PREFIX}-stage")["JobRuns"]
    )
    where = {"--raw": f"s3://{BUCKET}/raw/1", "--staged": f"s3://{BUCKET}/staged/1"}
    assert where.items() <= run["Arguments"].items()
    put_down("staged/1")
    ended = {"jobName": f"{PREFIX}-stage", "jobRunId": run["Id"], "state": "SUCCEEDED"}
    assert set() == call("staged", {"detail": ended})
    command = ["python", "database_loader.py", "--layout", "departments", "--csv"]
    assert [[*command, where["--staged"]]] == fargate.commands
    with closing(Database(fargate.settings["DATABASE_URL"])) as database:
        assert 3 == database.read_panel().n_series
    fargate.broken = "no room"
    boto3.DEFAULT_SESSION.events.register("after-call.ecs.RunTask", no_room)
    with pytest.raises(RuntimeError, match="ECS does not start the loader: RESOURCE:MEMORY"):
        checks.staged({"detail": ended})
    file = f"arn:aws:s3:::{BUCKET}/staged/1/train.csv"
    assert allows(allowed(f"{PREFIX}-job"), "s3:GetObject", file, {}), "the loader does"
