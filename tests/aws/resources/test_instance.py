"""The MLflow machine on an emulated account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import trust
from aws_cloud_infra.account.errors import AwsRefused, CannotChange
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.identity.instance_profile import InstanceProfile
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.machines import launch as module
from aws_cloud_infra.resources.machines.instance import Instance
from tests.aws.account import Account, _refusal, record
from tests.aws.lifecycle import NOBODY, Drift, check_life, quietly, what_changes
from tests.aws.resources.ground import Given, Ground, die_after_each_write, ground

USER_DATA = "#!/bin/bash\necho what it does at every start\n"

Build = Callable[..., Sequence[Resource]]


@pytest.fixture
def base(account: Account) -> Ground:
    return ground(account.aws())


class GivenProfile(Given):
    """One that is looked up each time, as it may have been made anew."""

    def find(self) -> Live:
        found = InstanceProfile(self.aws, self.name, Given(self.aws, "role", "role")).find()
        assert found
        return Live(found.id, {}, None, facts=found.facts)


@pytest.fixture
def profile(account: Account) -> Given:
    """A profile with its role, as the stack makes them before the instance."""
    aws = account.aws()
    role = Role(aws, f"{aws.prefix}-mlflow", "the host", trust("ec2.amazonaws.com"), ())
    made = InstanceProfile(aws, f"{aws.prefix}-mlflow", role)
    lives = apply(plan([role, made]), quietly)
    return GivenProfile(aws, made.name, lives[made].id)


@pytest.fixture
def resources(base: Ground, profile: Given) -> Build:
    """What builds an instance with all it needs, the instance last."""

    def build(aws: Aws, **changes: Any) -> Sequence[Resource]:
        secret, bucket, logs = (Given(aws, what, what) for what in ("secret", "bucket", "logs"))
        needs = (profile, base.group, base.subnets[0], (base.routes,), (secret,), bucket, logs)
        chosen = {"instance_type": "t3.small", "disk_gb": 20, "user_data": USER_DATA}
        machine = Instance(aws, f"{aws.prefix}-mlflow", *needs, **{**chosen, **changes})
        return [profile, *base.all, secret, bucket, logs, machine]

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


def instances(aws: Aws) -> list[dict[str, Any]]:
    return [
        instance
        for reservation in aws.client("ec2").describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    ]


def _ec2(setting: str, call: str, **arguments: Any) -> Drift:
    return Drift(Instance, setting, lambda aws, live: getattr(aws.client("ec2"), call)(
        InstanceId=live.id, **arguments))  # fmt: skip


def _stopped(change: Callable[[Any, Live], Any]) -> Callable[[Aws, Live], None]:
    """Stop it by hand, change it, and start it again."""

    def by_hand(aws: Aws, live: Live) -> None:
        ec2 = aws.client("ec2")
        ec2.stop_instances(InstanceIds=[live.id])
        change(ec2, live)
        ec2.start_instances(InstanceIds=[live.id])

    return by_hand


def _other_group(aws: Aws, live: Live) -> None:
    groups = aws.client("ec2").describe_security_groups()["SecurityGroups"]
    aws.client("ec2").modify_instance_attribute(
        InstanceId=live.id, Groups=[group["GroupId"] for group in groups]
    )


def _association(aws: Aws, live: Live) -> str:
    (found,) = aws.client("ec2").describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [live.id]}]
    )["IamInstanceProfileAssociations"]
    return found["AssociationId"]


def _without_profile(aws: Aws, live: Live) -> None:
    aws.client("ec2").disassociate_iam_instance_profile(AssociationId=_association(aws, live))


def _other_profile(aws: Aws, live: Live) -> None:
    other = aws.client("iam").create_instance_profile(InstanceProfileName="administrator")
    aws.client("ec2").replace_iam_instance_profile_association(
        AssociationId=_association(aws, live),
        IamInstanceProfile={"Arn": other["InstanceProfile"]["Arn"]},
    )


def _profile_made_anew(aws: Aws, live: Live) -> None:
    """Its ARN is the same, and the instance's credentials are gone."""
    iam, name = aws.client("iam"), live.settings["profile"].rsplit("/", 1)[1]
    old = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    role = {"InstanceProfileName": name, "RoleName": old["Roles"][0]["RoleName"]}
    iam.remove_role_from_instance_profile(**role)
    iam.delete_instance_profile(InstanceProfileName=name)
    iam.create_instance_profile(InstanceProfileName=name, Path=old["Path"], Tags=old["Tags"])
    iam.add_role_to_instance_profile(**role)


DRIFTS = [
    Drift(Instance, "status", lambda aws, live: aws.client("ec2").stop_instances(
        InstanceIds=[live.id])),
    Drift(Instance, "type", _stopped(lambda ec2, live: ec2.modify_instance_attribute(
        InstanceId=live.id, InstanceType={"Value": "t3.large"}))),
    Drift(Instance, "user_data", _stopped(lambda ec2, live: ec2.modify_instance_attribute(
        InstanceId=live.id, Attribute="userData", Value="ZWNobyBldmls"))),
    Drift(Instance, "groups", _other_group),
    Drift(Instance, "profile", _without_profile),
    Drift(Instance, "profile", _other_profile),
    Drift(Instance, "profile_id", _profile_made_anew),
    _ec2("metadata.tokens", "modify_instance_metadata_options", HttpTokens="optional"),
    _ec2("metadata.hops", "modify_instance_metadata_options", HttpPutResponseHopLimit=2),
    _ec2("metadata.endpoint", "modify_instance_metadata_options", HttpEndpoint="disabled"),
    _ec2("shutdown", "modify_instance_attribute",
         Attribute="instanceInitiatedShutdownBehavior", Value="terminate"),
    Drift(Instance, "disk_gb", lambda aws, live: aws.client("ec2").modify_volume(
        VolumeId=live.facts["disk"], Size=10)),
    Drift(Instance, "disk_type", lambda aws, live: aws.client("ec2").modify_volume(
        VolumeId=live.facts["disk"], VolumeType="gp2")),
    Drift(Instance, "disk_tags", lambda aws, live: aws.client("ec2").delete_tags(
        Resources=[live.facts["disk"]], Tags=[{"Key": "Environment"}])),
]  # fmt: skip


def test_an_instance_is_made_healed_and_removed(account: Account, resources: Build) -> None:
    check_life(account, resources, DRIFTS)


def test_it_has_no_key_an_encrypted_disk_and_signed_metadata_requests(made: Made) -> None:
    aws = made()
    (found,) = instances(aws)
    (disk,) = aws.client("ec2").describe_volumes()["Volumes"]
    assert "KeyName" not in found
    assert "disabled" == found["Monitoring"]["State"]
    assert (True, "gp3", 20) == (disk["Encrypted"], disk["VolumeType"], disk["Size"])
    assert ("required", 1) == (
        found["MetadataOptions"]["HttpTokens"],
        found["MetadataOptions"]["HttpPutResponseHopLimit"],
    )


def test_it_and_its_disk_carry_our_tags(made: Made) -> None:
    aws = made()
    (disk,) = aws.client("ec2").describe_volumes()["Volumes"]
    wanted = {**aws.tags, "Name": f"{aws.prefix}-mlflow"}
    for pairs in (instances(aws)[0]["Tags"], disk["Tags"]):
        assert wanted == {pair["Key"]: pair["Value"] for pair in pairs}


def test_its_private_address_is_a_fact(account: Account, resources: Build) -> None:
    aws = account.aws()
    *_, live = apply(plan(resources(aws)), quietly).values()
    assert instances(aws)[0]["PrivateIpAddress"] == live.facts["address"]


def test_it_is_the_newest_amazon_linux_and_a_newer_one_changes_nothing(
    account: Account, resources: Build, made: Made
) -> None:
    aws = made()
    newest = aws.client("ssm").get_parameter(Name=module._IMAGE)["Parameter"]["Value"]
    assert newest == instances(aws)[0]["ImageId"]
    session = account.session()
    calls = record(session)
    assert {} == what_changes(plan(resources(account.aws(session))))
    assert ("ssm", "GetParameter") not in calls.made


def test_new_user_data_stops_it_and_starts_it_again(
    account: Account, resources: Build, made: Made
) -> None:
    made()
    session = account.session()
    calls = record(session)
    changed = resources(account.aws(session), user_data="#!/bin/bash\necho something else\n")
    assert {f"instance {changed[-1].name}": ["user_data"]} == what_changes(plan(changed))
    apply(plan(changed), quietly)
    assert ["StopInstances", "ModifyInstanceAttribute", "StartInstances"] == [
        call for _, call in calls.writes
    ]
    assert {} == what_changes(plan(changed))


def test_a_run_that_died_while_it_was_stopped_is_finished(resources: Build, made: Made) -> None:
    aws = made()
    (found,) = instances(aws)
    aws.client("ec2").stop_instances(InstanceIds=[found["InstanceId"]])
    apply(plan(resources(aws, instance_type="t3.medium")), quietly)
    (found,) = instances(aws)
    assert ("running", "t3.medium") == (found["State"]["Name"], found["InstanceType"])


def test_a_disk_that_would_have_to_shrink_is_refused_with_both_sizes(
    resources: Build, made: Made
) -> None:
    aws = made(disk_gb=40)
    with pytest.raises(CannotChange, match=r"disk of 40 GB, .* only grow, not shrink to 20"):
        apply(plan(resources(aws)), quietly)
    assert "running" == instances(aws)[0]["State"]["Name"]


def test_a_terminated_instance_is_made_again(resources: Build, made: Made) -> None:
    aws = made()
    (old,) = instances(aws)
    aws.client("ec2").terminate_instances(InstanceIds=[old["InstanceId"]])
    apply(plan(resources(aws)), quietly)
    (new,) = instances(aws)
    assert new["InstanceId"] != old["InstanceId"]


class Launches(Account):
    """An account that refuses the first launches as AWS does after a termination."""

    refusals: int
    tokens: list[str]

    def session(self, region: str = "eu-central-1"):
        session = super().session(region)
        self.tokens = []

        def note(params: dict[str, Any], **_: Any) -> None:
            self.tokens.append(params["body"]["ClientToken"])

        def refuse(request: Any, **_: Any) -> Any:
            if len(self.tokens) > self.refusals:
                return None
            return _refusal(request, "IdempotentInstanceTerminated", "it was terminated", 400)

        session.events.register("before-call.ec2.RunInstances", note)
        session.events.register("before-send.ec2.RunInstances", refuse)
        return session


def test_the_same_request_has_the_same_token_until_its_instance_was_terminated(
    account: Account, resources: Build
) -> None:
    tokens = []
    for refusals in (0, 0, 2):
        launches = Launches(account.url)
        launches.refusals = refusals
        aws = launches.aws()
        apply(plan(resources(aws)), quietly)
        stack = Stack("this", (), tuple(resources(aws)))
        destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
        tokens.append(launches.tokens)
    assert tokens[0] == tokens[1] == tokens[2][:1]
    assert 3 == len(set(tokens[2])) == len(tokens[2])
    assert {64} == {len(token) for token in tokens[2]}, "as long as AWS takes"


def test_too_many_launches_in_a_day_are_given_up(
    account: Account, resources: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_LAUNCHES", 3)
    launches = Launches(account.url)
    launches.refusals = 9
    with pytest.raises(AwsRefused, match="was made 3 times in a day"):
        apply(plan(resources(launches.aws())), quietly)


def test_another_environments_instance_is_not_touched(
    account: Account, resources: Build, made: Made
) -> None:
    aws = made()
    other = account.aws(environment="test")
    stack = Stack("this", (), tuple(resources(other)))
    assert [] == plan_destroy(stack, NOBODY, include_data=True)
    assert 1 == len(instances(aws))


def test_runs_that_each_die_after_one_write_make_one_instance(
    account: Account, resources: Build
) -> None:
    assert 1 == die_after_each_write(account, resources)
    assert 1 == len(instances(account.aws()))


def test_it_costs_hours_a_disk_and_an_address(account: Account, resources: Build) -> None:
    prices = dict(resources(account.aws())[-1].prices)
    assert {"ec2 t3.small": 730, "ebs gp3 GB": 20, "public address hour": 730} == prices
