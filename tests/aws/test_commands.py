"""The verbs of both scripts, as they are called: arguments, exit codes, what is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aws_cloud_infra import infra, mlflow_infra
from aws_cloud_infra.commands.main import main
from tests.aws.account import Account
from tests.aws.census import census
from tests.aws.mlflow_log import will_answer

ROOT = Path(__file__).parents[2]
SCRIPTS = {"serving": infra, "MLflow": mlflow_infra}


@pytest.fixture
def run(account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a verb in this process against the emulator; give (exit code, output, errors)."""
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    will_answer(account)

    def run(script, *arguments: str) -> tuple[int, str, str]:
        code = main(script.build, list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_from_an_empty_account_to_a_url_and_back(run) -> None:
    code, out, _ = run(infra, "plan", "--detailed-exitcode")
    assert 2 == code
    assert out.startswith("serving stack of sales-forecast, production, in eu-central-1, account ")
    assert "  + load balancer sales-forecast-production\n" in out

    code, out, err = run(infra, "apply", "--yes")
    assert 0 == code
    assert "service_url: http://sales-forecast-production" in out
    assert "mlflow_tracking_uri_parameter: /sales-forecast/production/mlflow-tracking-uri" in out
    assert "created load balancer sales-forecast-production (" in err

    code, out, _ = run(infra, "plan", "--detailed-exitcode")
    assert 0 == code
    assert "+" not in out
    assert "~" not in out

    code, out, _ = run(mlflow_infra, "apply", "--yes", "--json")
    assert 0 == code
    assert json.loads(out)["outputs"]["bucket"].startswith("sales-forecast-production-mlflow-")

    code, out, _ = run(infra, "destroy", "--yes", "--include-data")
    assert 0 == code
    assert "  = VPC sales-forecast-production: stays, the mlflow stack uses it\n" in out

    code, _, _ = run(mlflow_infra, "destroy", "--yes")
    assert 0 == code
    code, out, _ = run(mlflow_infra, "destroy", "--yes")
    assert 0 == code
    assert "stays, it holds data, or data needs it: --include-data" in out
    code, _, _ = run(mlflow_infra, "destroy", "--yes", "--include-data", "--no-snapshot")
    assert 0 == code
    code, out, _ = run(mlflow_infra, "destroy", "--yes", "--include-data")
    assert (0, True) == (code, out.endswith("Plan: nothing there.\n"))


def test_status_says_that_no_image_was_pushed_and_what_is_missing(run) -> None:
    code, out, _ = run(infra, "status")
    assert 0 == code
    assert "  missing         load balancer sales-forecast-production\n" in out
    run(infra, "apply", "--yes")
    code, out, _ = run(infra, "status")
    assert 0 == code
    assert "  as it should be load balancer sales-forecast-production\n" in out
    assert "no image pushed yet" in out
    assert "service_url: http://" in out


def test_plan_and_status_are_given_to_programs_as_json(run) -> None:
    _, out, _ = run(mlflow_infra, "plan", "--json")
    planned = json.loads(out)
    assert ("mlflow", "eu-central-1") == (planned["stack"], planned["region"])
    bucket = next(item for item in planned["changes"] if item["kind"] == "bucket")
    assert ("create", None) == (bucket["action"], bucket["id"])
    assert {"setting": "versioning", "old": None, "new": "Enabled"} in bucket["differences"]
    _, out, _ = run(mlflow_infra, "status", "--json")
    state = {item["kind"]: item["state"] for item in json.loads(out)["resources"]}
    assert "missing" == state["bucket"]


REMEDIES = (
    "listener sales-forecast-production-80: without HTTPS the API key and all answers can be read "
    "on the way. Set `domain` and `hosted_zone_id`, or `certificate_arn`; or `allow_http = true` "
    "to have it so."
)


def test_plain_http_is_made_for_nobody_who_did_not_say_so(
    run, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INFRA_ALLOW_HTTP")
    before = census(account.session())
    code, _, err = run(infra, "apply", "--yes")
    assert (1, f"{REMEDIES}\n") == (code, err)
    code, said = answer_on_a_terminal(account, "n", script="infra.py")
    assert (1, True) == (code, said.endswith("Nothing was changed.\n"))
    assert f"{REMEDIES}\nMake it all the same? [y/N] " in said
    assert "Apply this?" not in said
    assert before == census(account.session())


def test_who_has_only_http_is_told_and_goes_on(run, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, err = run(infra, "apply", "--yes")
    assert "without HTTPS" not in err, "it was said to be so"
    monkeypatch.delenv("INFRA_ALLOW_HTTP")
    code, _, err = run(infra, "apply", "--yes")
    assert (0, f"{REMEDIES}\n") == (code, err)


@pytest.mark.parametrize("verb", ["apply", "destroy", ""])
def test_nothing_is_done_without_yes_where_nobody_can_be_asked(run, verb: str) -> None:
    run(mlflow_infra, "apply", "--yes") if verb == "destroy" else None
    code, _, err = run(mlflow_infra, *filter(None, [verb]))
    assert (2, "Nobody to ask here: add --yes to do this without asking.\n") == (code, err)


@pytest.mark.parametrize("name", SCRIPTS)
def test_cost_needs_no_account(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert 0 == main(SCRIPTS[name].build, ["cost"])
    *lines, total, basis = capsys.readouterr().out.splitlines()
    summed = sum(float(line.split()[-1]) for line in lines)
    assert float(total.split()[-1]) == pytest.approx(summed, abs=0.05)
    assert basis.startswith("By list prices of us-east-1, ")
    assert " months old, " in basis
    assert 0 == main(SCRIPTS[name].build, ["cost", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert len(lines) == len(told["lines"])
    assert float(total.split()[-1]) == pytest.approx(told["dollars_a_month"], abs=0.01)
    assert f"{told['prices_months_old']} months old" in told["prices"]


@pytest.mark.parametrize("script", ["infra.py", "mlflow_infra.py"])
def test_each_script_runs_as_one_from_any_folder(
    account: Account, tmp_path: Path, script: str
) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "aws_cloud_infra" / script, "policy"],
        cwd=tmp_path, env=account.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)
    parts = done.stdout.splitlines()
    assert {"2012-10-17"} == {json.loads(part)["Version"] for part in parts}
    assert all(len(part) <= 6_144 and " " not in part for part in parts), "ready to attach"


def test_a_wrong_setting_is_one_line_and_calls_nobody(run, tmp_path: Path) -> None:
    config = tmp_path / "infra.toml"
    config.write_text("task_cpu = 300\n")
    code, out, err = run(infra, "plan", "--config", str(config))
    assert (1, "") == (code, out)
    assert "300 is not one of 256, 512, 1024, 2048, 4096" in err


def answer_on_a_terminal(
    account: Account, answer: str, script: str = "mlflow_infra.py"
) -> tuple[int, str]:
    """Run a script without a verb, and type an answer; return exit code and output."""
    environment = account.environment()
    del environment["INFRA_ALLOW_HTTP"]
    ours, its = os.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, ROOT / "aws_cloud_infra" / script],
            stdin=its, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(its)
    return done.returncode, done.stdout + done.stderr


def test_without_a_verb_a_terminal_is_shown_the_plan_and_asked(account: Account) -> None:
    will_answer(account)
    before = census(account.session())
    for no in ("n", "\x04"):  # the latter is Ctrl-D
        code, said = answer_on_a_terminal(account, no)
        assert (1, True) == (code, said.endswith("Nothing was changed.\n"))
        assert "Traceback" not in said
    assert "  + database sales-forecast-production\n" in said
    assert before == census(account.session())
    code, said = answer_on_a_terminal(account, "y")
    assert 0 == code
    assert "created database sales-forecast-production (" in said
    assert "database: sales-forecast-production\n" in said
