"""The database on an emulated account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import CannotChange, StillDeleting
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.data.database import Database, log_group
from aws_cloud_infra.resources.data.database_engine import ENGINES
from aws_cloud_infra.resources.data.database_parameters import DatabaseParameters
from aws_cloud_infra.resources.data.database_subnets import DatabaseSubnets
from aws_cloud_infra.resources.watching.database_log_group import DatabaseLogGroup
from tests.aws.account import Account, record
from tests.aws.lifecycle import NOBODY, Drift, check_life, quietly, what_changes
from tests.aws.resources.ground import Ground, die_after_each_write, ground

Build = Callable[..., Sequence[Resource]]


@pytest.fixture
def base(account: Account) -> Ground:
    return ground(account.aws())


@pytest.fixture
def resources(base: Ground) -> Build:
    """What builds a database with all it needs, the database last."""

    def build(aws: Aws, engine: str = "mysql", **changes: Any) -> Sequence[Resource]:
        subnets = DatabaseSubnets(aws, aws.prefix, base.subnets)
        kind = ENGINES[engine]
        parameters = DatabaseParameters(aws, aws.prefix, kind)
        groups = tuple(DatabaseLogGroup(aws, log_group(aws.prefix, log), 30) for log in kind.logs)
        chosen = {"size": "db.t4g.micro", "storage_gb": 20, "max_storage_gb": 100,
                  "backup_days": 7, "multi_az": False, "log_groups": groups}  # fmt: skip
        database = Database(
            aws, aws.prefix, subnets, base.group, parameters, **{**chosen, **changes}
        )
        return [*base.subnets, base.group, subnets, *groups, parameters, database]

    return build


Made = Callable[..., Aws]


@pytest.fixture
def made(account: Account, resources: Build) -> Made:
    """What makes one, and returns the account in which it is."""

    def make(**changes: Any) -> Aws:
        aws = account.aws()
        apply(plan(resources(aws, **changes)), quietly)
        return aws

    return make


def the_database(aws: Aws) -> dict[str, Any]:
    (found,) = aws.client("rds").describe_db_instances()["DBInstances"]
    return found


def _modified(setting: str, **arguments: Any) -> Drift:
    return Drift(Database, setting, lambda aws, live: aws.client("rds").modify_db_instance(
        DBInstanceIdentifier=live.id, ApplyImmediately=True, **arguments))  # fmt: skip


def _other_group(aws: Aws, live: Live) -> None:
    groups = aws.client("ec2").describe_security_groups()["SecurityGroups"]
    aws.client("rds").modify_db_instance(
        DBInstanceIdentifier=live.id, VpcSecurityGroupIds=[group["GroupId"] for group in groups]
    )


def _other_parameters(aws: Aws, live: Live) -> None:
    rds = aws.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="lax", DBParameterGroupFamily="mysql8.4", Description="no TLS"
    )
    rds.modify_db_instance(DBInstanceIdentifier=live.id, DBParameterGroupName="lax")


def _parameter(name: str, value: str) -> Drift:
    parameter = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
    return Drift(DatabaseParameters, f"parameters.{name}", lambda aws, live: aws.client(
        "rds").modify_db_parameter_group(
            DBParameterGroupName=live.id, Parameters=[parameter]))  # fmt: skip


PARAMETERS = {
    "mysql": {"require_secure_transport": "0", "slow_query_log": "0", "long_query_time": "60",
              "log_output": "TABLE"},
    "postgres": {"rds.force_ssl": "0", "log_min_duration_statement": "-1"},
}  # fmt: skip
DRIFTS = [
    *(_parameter(name, value) for name, value in PARAMETERS["mysql"].items()),
    Drift(DatabaseLogGroup, "days", lambda aws, live: aws.client("logs").delete_retention_policy(
        logGroupName=live.id.split(":log-group:")[1]), "slowquery"),
    Drift(DatabaseLogGroup, "tags", lambda aws, live: aws.client("logs").untag_resource(
        resourceArn=live.id, tagKeys=["Project"]), "error"),
    Drift(Database, "status", lambda aws, live: aws.client("rds").stop_db_instance(
        DBInstanceIdentifier=live.id)),
    _modified("managed_password", ManageMasterUserPassword=False, MasterUserPassword="known to us"),
    _modified("size", DBInstanceClass="db.t4g.small"),
    _modified("storage_gb", AllocatedStorage=10),
    _modified("max_storage_gb", MaxAllocatedStorage=20),
    _modified("storage_type", StorageType="gp2"),
    _modified("multi_az", MultiAZ=True),
    Drift(Database, "groups", _other_group),
    Drift(Database, "parameters", _other_parameters),
    _modified("public", PubliclyAccessible=True),
    _modified("backup_days", BackupRetentionPeriod=0),
    _modified("tags_on_snapshots", CopyTagsToSnapshot=False),
    _modified("deletion_protection", DeletionProtection=False),
    _modified("minor_upgrades", AutoMinorVersionUpgrade=False),
    _modified("logs", CloudwatchLogsExportConfiguration={"DisableLogTypes": ["error"]}),
    _modified("logs", CloudwatchLogsExportConfiguration={"EnableLogTypes": ["general"]}),
]  # fmt: skip


def test_a_database_is_made_healed_and_removed(account: Account, resources: Build) -> None:
    check_life(account, partial(resources, final_snapshot=False), DRIFTS)


def test_a_postgresql_is_made_healed_and_removed(account: Account, resources: Build) -> None:
    aws = account.aws()
    stack = Stack("this", (), tuple(resources(aws, "postgres", final_snapshot=False)))
    apply(plan(stack.resources), quietly)
    assert {} == what_changes(plan(stack.resources))
    made = the_database(aws)
    assert ("postgres", "17") == (made["Engine"], made["EngineVersion"])
    assert ["postgresql", "upgrade"] == sorted(made["EnabledCloudwatchLogsExports"])
    parameters = next(item for item in stack.resources if item.kind == "database parameters")
    for drift in [_parameter(name, value) for name, value in PARAMETERS["postgres"].items()]:
        live = parameters.find()
        assert live
        drift.change(aws, live)
        assert {str(parameters): [drift.setting]} == what_changes(plan(stack.resources))
        apply(plan(stack.resources), quietly)
    aws.client("rds").modify_db_instance(
        DBInstanceIdentifier=aws.prefix, EngineVersion="17.6", ApplyImmediately=True
    )
    assert {} == what_changes(plan(stack.resources)), "RDS raises all behind the first dot"
    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    assert [] == aws.client("rds").describe_db_instances()["DBInstances"]


def test_another_engine_is_refused_with_both(resources: Build, made: Made) -> None:
    aws = made()
    with pytest.raises(CannotChange, match=r"engine is mysql, not postgres"):
        apply(plan(resources(aws, "postgres")), quietly)
    assert "mysql" == the_database(aws)["Engine"]


def test_nobody_ever_gives_a_password(account: Account, resources: Build) -> None:
    session = account.session()
    sent = []
    session.events.register("before-call.rds.*", lambda params, **_: sent.append(params["body"]))
    apply(plan(resources(account.aws(session))), quietly)
    assert [] == [body for body in sent if "MasterUserPassword" in body]
    assert ["true"] == [
        str(body["ManageMasterUserPassword"]).lower()
        for body in sent
        if body["Action"] == "CreateDBInstance"
    ]


def test_its_address_is_known_when_it_is_there(account: Account, resources: Build) -> None:
    aws = account.aws()
    *_, live = apply(plan(resources(aws)), quietly).values()
    assert the_database(aws)["Endpoint"]["Address"] == live.facts["address"] != ""


def test_a_minor_version_that_aws_raised_is_right(resources: Build, made: Made) -> None:
    aws = made()
    aws.client("rds").modify_db_instance(
        DBInstanceIdentifier=aws.prefix, EngineVersion="8.4.7", ApplyImmediately=True
    )
    assert {} == what_changes(plan(resources(aws)))


def test_another_major_version_is_refused(resources: Build, made: Made) -> None:
    aws = made()
    aws.client("rds").modify_db_instance(DBInstanceIdentifier=aws.prefix, EngineVersion="9.0.1")
    with pytest.raises(CannotChange, match=r"version is 9\.0, not 8\.4"):
        apply(plan(resources(aws)), quietly)


def test_storage_that_would_have_to_shrink_is_refused_with_both_sizes(
    resources: Build, made: Made
) -> None:
    aws = made(storage_gb=50)
    with pytest.raises(CannotChange, match=r"has 50 GB .* only grow, not shrink to 40"):
        apply(plan(resources(aws, storage_gb=20, max_storage_gb=40)), quietly)
    assert 50 == the_database(aws)["AllocatedStorage"]


def test_storage_that_has_grown_by_itself_is_right(resources: Build, made: Made) -> None:
    aws = made()
    aws.client("rds").modify_db_instance(DBInstanceIdentifier=aws.prefix, AllocatedStorage=40)
    assert {} == what_changes(plan(resources(aws)))


def test_log_groups_that_rds_made_are_taken_over_and_go_with_the_database(
    account: Account, resources: Build
) -> None:
    aws = account.aws()
    logs = aws.client("logs")
    for log in ("error", "slowquery"):
        logs.create_log_group(logGroupName=f"/aws/rds/instance/{aws.prefix}/{log}")
    stack = Stack("this", (), tuple(resources(aws, final_snapshot=False)))
    untouched = plan_destroy(stack, NOBODY, include_data=True)
    assert {Action.KEEP} == {change.action for change in untouched}

    apply(plan(stack.resources), quietly)
    kept = [group["retentionInDays"] for group in logs.describe_log_groups()["logGroups"]]
    assert [30, 30] == kept

    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    assert [] == logs.describe_log_groups()["logGroups"]


def test_storage_grows(resources: Build, made: Made) -> None:
    aws = made()
    apply(plan(resources(aws, storage_gb=40)), quietly)
    assert 40 == the_database(aws)["AllocatedStorage"]


class Answering(Account):
    """An account whose databases look as the emulator never lets them look."""

    looks: dict[str, Any]

    def session(self, region: str = "eu-central-1"):
        session = super().session(region)

        def change(parsed: dict[str, Any], **_: Any) -> None:
            for found in parsed.get("DBInstances", ()):
                found.update(self.looks)

        session.events.register("after-call.rds.DescribeDBInstances", change)
        return session


def looking(account: Account, **looks: Any) -> Aws:
    there = Answering(account.url)
    there.looks = looks
    return there.aws()


def test_what_aws_is_about_to_change_counts_as_changed(
    account: Account, resources: Build, made: Made
) -> None:
    made()
    pending = {
        "DBInstanceClass": "db.t4g.small",
        "AllocatedStorage": 130,
        "PendingCloudwatchLogsExports": {"LogTypesToEnable": ["general"]},
    }
    aws = looking(account, PendingModifiedValues=pending)
    (change,) = [item for item in plan(resources(aws)) if item.action is not Action.KEEP]
    soon = {"size": "db.t4g.small", "storage_gb": 130, "logs": ["error", "general", "slowquery"]}
    assert soon == {item.setting: item.old for item in change.differences}


@pytest.mark.parametrize("status", ["backing-up", "storage-optimization"])
def test_a_database_that_is_busy_but_works_is_left_alone(
    account: Account, resources: Build, made: Made, status: str
) -> None:
    made()
    assert {} == what_changes(plan(resources(looking(account, DBInstanceStatus=status))))


def test_a_restart_that_parameters_wait_for_is_told(
    account: Account, resources: Build, made: Made
) -> None:
    made()
    group = {"DBParameterGroupName": account.aws().prefix, "ParameterApplyStatus": "pending-reboot"}
    database = resources(looking(account, DBParameterGroups=[group]))[-1]
    live = database.find()
    assert live
    assert live.notes == ("its parameters wait for a restart",)


def test_a_database_on_its_way_out_is_neither_used_nor_made_again(
    account: Account, resources: Build, made: Made
) -> None:
    made()
    aws = looking(account, DBInstanceStatus="deleting")
    with pytest.raises(StillDeleting, match="still being deleted"):
        apply(plan(resources(aws)), quietly)


def test_destroy_waits_for_a_database_on_its_way_out(
    account: Account, resources: Build, made: Made
) -> None:
    """The first run died after its call; meanwhile AWS finished."""
    made(final_snapshot=False)
    database = resources(looking(account, DBInstanceStatus="deleting"))[-1]
    live = database.find()
    assert live
    rds = account.session().client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=live.id, DeletionProtection=False)
    rds.delete_db_instance(DBInstanceIdentifier=live.id, SkipFinalSnapshot=True)
    session = account.session()
    calls = record(session)
    resources(account.aws(session))[-1].delete(live)
    assert [] == calls.writes


def test_parameters_that_somebody_added_are_told_and_left(resources: Build, made: Made) -> None:
    aws = made()
    parameter = {"ParameterName": "max_connections", "ParameterValue": "99"}
    aws.client("rds").modify_db_parameter_group(
        DBParameterGroupName=aws.prefix, Parameters=[{**parameter, "ApplyMethod": "immediate"}]
    )
    assert {} == what_changes(plan(resources(aws)))
    live = resources(aws)[-2].find()
    assert live
    assert live.notes == ("somebody also set max_connections: left so",)


def test_a_database_is_spared_with_all_it_needs_unless_data_is_included(
    resources: Build, made: Made
) -> None:
    aws = made()
    stack = Stack("this", (), tuple(resources(aws)))
    changes = plan_destroy(stack, NOBODY, include_data=False)
    assert {Action.KEEP} == {change.action for change in changes}


def test_a_snapshot_stays_unless_it_is_not_wanted(resources: Build, made: Made) -> None:
    aws = made()
    stack = Stack("this", (), tuple(resources(aws)))
    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    (snapshot,) = aws.client("rds").describe_db_snapshots()["DBSnapshots"]
    assert snapshot["DBSnapshotIdentifier"].startswith(f"{aws.prefix}-final-20")
    assert aws.tags.items() <= {t["Key"]: t["Value"] for t in snapshot["TagList"]}.items()


def test_a_stopped_database_is_deleted_too(resources: Build, made: Made) -> None:
    aws = made()
    aws.client("rds").stop_db_instance(DBInstanceIdentifier=aws.prefix)
    stack = Stack("this", (), tuple(resources(aws)))
    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    assert [] == aws.client("rds").describe_db_instances()["DBInstances"]


def test_runs_that_each_die_after_one_write_get_there(account: Account, resources: Build) -> None:
    assert die_after_each_write(account, resources) > 2
    assert {} == what_changes(plan(resources(account.aws())))


def test_a_second_zone_doubles_the_price(account: Account, resources: Build) -> None:
    one, two = (
        dict(resources(account.aws(), multi_az=multi_az)[-1].prices) for multi_az in (False, True)
    )
    assert one == {"rds db.t4g.micro": 730, "secret": 1, "rds gp3 GB": 20}
    assert two == {"rds db.t4g.micro": 1460, "secret": 1, "rds gp3 GB": 40}
