"""`apply` of the MLflow stack ends when MLflow answers, or says by a line of its log why not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from aws_cloud_infra import mlflow_infra
from aws_cloud_infra.account.errors import AccessDenied, AwsRefused
from aws_cloud_infra.commands.main import main
from aws_cloud_infra.engine import actions, policy
from aws_cloud_infra.engine.resource import Live
from aws_cloud_infra.mlflow_host import answers
from aws_cloud_infra.stacks import both
from tests.aws.account import Account, answer_with, record
from tests.aws.mlflow_log import GROUP, says

NOT_YET = "MLflow cannot start yet: the database sales-forecast-production is creating"


@pytest.fixture
def wait(account: Account, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Wait for a host that was started half a minute ago; give what was said meanwhile."""

    def waited(seconds_ago: float = 30, *, then: Callable[[], None] = lambda: None):
        started = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        monkeypatch.setattr(answers.time, "sleep", lambda _: then())
        _, stack = both(account.aws())
        host = next(item for item in stack.own if item.kind == "instance")
        heard: list[str] = []
        live = Live("i-1", {}, {}, facts={"started": started.isoformat()})
        stack.answers({host: live}, heard.append)
        return heard

    return waited


def test_it_ends_with_the_line_that_says_so(
    account: Account, wait: Callable[..., list[str]]
) -> None:
    says(account, NOT_YET, stream="i-1/server")
    assert [NOT_YET] == wait(then=lambda: says(account, "MLflow answers"))


def test_as_long_as_the_log_is_not_there_it_waits(
    account: Account, wait: Callable[..., list[str]]
) -> None:
    heard = wait(then=lambda: says(account, "MLflow answers"))
    assert ["its log is empty so far"] == heard


def test_a_set_up_that_failed_is_told_at_once_with_its_line(
    account: Account, wait: Callable[..., list[str]]
) -> None:
    line = "MLflow setup failed in line 27: dnf install -y -q python3.11"
    says(account, line)
    with pytest.raises(AwsRefused) as told:
        wait(then=lambda: pytest.fail("there is nothing to wait for"))
    assert told.value.message == (
        "instance sales-forecast-production-mlflow (i-1) runs, but MLflow does not answer. It says "
        f'last: "{line}". The rest is in the log group {GROUP}.'
    )


def test_one_that_never_answers_is_given_up_with_what_it_said_last(
    account: Account, wait: Callable[..., list[str]]
) -> None:
    waits: list[None] = []
    says(account, NOT_YET, stream="i-1/server")
    with pytest.raises(AwsRefused, match="database sales-forecast-production is creating"):
        wait(then=lambda: waits.append(None))
    assert 120 == len(waits)


def test_what_was_said_before_the_last_start_does_not_count(
    account: Account, wait: Callable[..., list[str]]
) -> None:
    says(account, "MLflow answers", later=-600)
    assert ["its log is empty so far"] == wait(then=lambda: says(account, "MLflow answers"))


def test_a_host_that_has_run_for_an_hour_is_not_asked(
    account: Account, wait: Callable[..., list[str]]
) -> None:
    assert [] == wait(7200)


def test_its_call_is_in_the_policy_and_a_denial_names_the_statement(account: Account) -> None:
    session = account.session()
    calls = record(session)
    answer_with(session, "cloudwatch-logs.FilterLogEvents", "AccessDeniedException", "No.", 400)
    _, stack = both(account.aws(session))
    host = next(item for item in stack.own if item.kind == "instance")
    live = Live("i-1", {}, {}, facts={"started": datetime.now(UTC).isoformat()})
    with pytest.raises(AccessDenied, match="logs:FilterLogEvents"):
        stack.answers({host: live}, lambda _: None)
    granted = {name for item in policy.statements(stack.resources) for name in item["Action"]}
    assert {actions.action(*call) for call in calls.made} - {"sts:GetCallerIdentity"} <= granted


def test_apply_says_why_it_does_not_answer_and_fails(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    says(account, "MLflow setup failed in line 1: true", later=60)
    assert 1 == main(mlflow_infra.build, ["apply", "--yes"])
    assert "MLflow does not answer" in capsys.readouterr().err.splitlines()[-1]
