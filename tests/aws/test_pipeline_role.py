"""Both scripts, called by the pipeline's role on an emulated account that a person has made."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from aws_cloud_infra import infra
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import ForAPerson
from aws_cloud_infra.commands.main import main
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.stacks import both
from tests.aws.account import Account, is_read, record
from tests.aws.lifecycle import quietly, what_changes
from tests.aws.trace import denied, trace

P = "sales-forecast-production"
ROLE = f"arn:aws:iam::123456789012:role/sales-forecasting/{P}-github"


@pytest.fixture
def made(account: Account) -> tuple[Stack, Stack]:
    """Both stacks, as the person sees them who made them."""
    stacks = both(account.aws(), final_snapshot=False)
    for stack in reversed(stacks):
        apply(plan(stack.resources), quietly)
    return stacks


@pytest.fixture
def keys(account: Account, made: tuple[Stack, Stack]) -> dict[str, str]:
    """The keys of the pipeline's role, as boto3's variables."""
    sts = account.session().client("sts")
    answer = sts.assume_role(RoleArn=ROLE, RoleSessionName="run")["Credentials"]
    return {
        "aws_access_key_id": answer["AccessKeyId"],
        "aws_secret_access_key": answer["SecretAccessKey"],
        "aws_session_token": answer["SessionToken"],
    }


@pytest.fixture
def session(account: Account, keys: dict[str, str]) -> boto3.Session:
    """A session of the pipeline."""
    session = boto3.Session(**keys, region_name="eu-central-1")
    make = session.client
    session.client = lambda service, **options: make(  # type: ignore[method-assign]
        service, **{"endpoint_url": account.url, **options}
    )
    return session


@pytest.fixture
def called_by_the_pipeline(
    account: Account, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    told = {name.upper(): value for name, value in keys.items()}
    for name, value in (account.environment() | told).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INFRA_GITHUB_REPOSITORY", "acme/forecasts")
    monkeypatch.setenv("INFRA_ALARM_EMAIL", "team@example.com")
    monkeypatch.setenv("INFRA_BUDGET_DOLLARS", "100")


def spoil(aws: Aws) -> None:
    """Change a role, the database and a log group by hand."""
    aws.client("iam").update_role(RoleName=f"{P}-task", Description="anything")
    aws.client("rds").modify_db_instance(DBInstanceIdentifier=P, BackupRetentionPeriod=2)
    for group in ("service", "mlflow"):
        aws.client("logs").put_retention_policy(
            logGroupName=f"/sales-forecast/production/{group}", retentionInDays=1
        )


def test_it_mends_what_it_may_and_leaves_roles_and_data_to_a_person(
    account: Account, made: tuple[Stack, Stack], session: boto3.Session
) -> None:
    assert account.aws(session).is_pipeline
    assert not account.aws().is_pipeline
    assert not account.aws(session, environment="staging").is_pipeline
    spoil(account.aws())
    calls = record(session)
    for stack, mine, left in zip(
        both(account.aws(session)), made, (f"role {P}-task", f"database {P}"), strict=True
    ):
        changes = plan(stack.resources)
        assert [left] == [str(item.resource) for item in changes if item.action is Action.LEAVE]
        apply(changes, quietly)
        assert {left} == set(what_changes(plan(mine.resources))), "a person still sees it"
    assert {("cloudwatch-logs", "PutRetentionPolicy")} == set(calls.writes)


@pytest.mark.usefixtures("called_by_the_pipeline")
def test_what_is_left_to_a_person_is_said_in_a_sentence(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(account.aws())
    assert 0 == main(infra.build, ["apply", "--yes"])
    said = capsys.readouterr().out
    assert f"  = role {P}-task\n" in said
    assert (
        f"\nLeft as it is: role {P}-task. What gives rights or holds data only a "
        "person may change: run this with your own login.\n"
    ) in said
    assert 0 == main(infra.build, ["plan", "--detailed-exitcode"]), "it would change nothing"


def test_without_a_role_it_is_refused_before_the_first_change(
    account: Account, session: boto3.Session
) -> None:
    spoil(account.aws())
    iam = account.session().client("iam")
    iam.delete_role_policy(RoleName=f"{P}-execution", PolicyName="what-it-needs")
    iam.delete_role(RoleName=f"{P}-execution")
    calls = record(session)
    serving, _ = both(account.aws(session))
    with pytest.raises(ForAPerson) as refused:
        apply(plan(serving.resources), quietly)
    assert (
        f"role {P}-execution is missing, and the pipeline may not make it: run this with your own "
        "login."
    ) == refused.value.message
    assert [] == calls.writes


def test_all_that_it_calls_to_make_anew_what_is_gone_is_in_its_policies(
    account: Account, made: tuple[Stack, Stack], session: boto3.Session
) -> None:
    gone = [item for item in plan_destroy(*made, include_data=False) if not item.resource.guarded]
    destroy(gone, quietly)
    calls = trace(session)
    for stack in both(account.aws(session)):
        apply(plan(stack.resources), quietly)
    assert {} == what_changes([change for item in made for change in plan(item.resources)])
    (role,) = (item for item in made[0].own if isinstance(item, Role) and item.arn == ROLE)
    statements = [*role.statements, *(one for item in role.attached for one in item.statements)]
    assert sum(not is_read(operation) for _, operation, _ in calls) > 20
    assert set() == denied(statements, calls)
