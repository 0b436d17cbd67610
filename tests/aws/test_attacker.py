"""Whoever takes the pipeline over gets no more rights than it has, and does not reach the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.settings import InfraSettings
from aws_cloud_infra.engine import policy
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.stacks import both
from tests.aws.iam import allows, like

P = "sales-forecast-production"
HERE = "eu-central-1:123456789012"
IAM = "arn:aws:iam::123456789012:"
ZONE = "arn:aws:route53:::hostedzone/Z0123456789"
ROLES = f"{IAM}role/sales-forecasting"
ADMIN = f"{IAM}role/Admin"
ECS, EC2, RDS, GLUE = (f"arn:aws:{name}:{HERE}:" for name in ("ecs", "ec2", "rds", "glue"))
SECRETS = f"arn:aws:secretsmanager:{HERE}:secret:"
BUCKET = f"arn:aws:s3:::{P}-mlflow-123456789012"
IN_ACCOUNT = {"aws:ResourceAccount": "123456789012"}
FOREIGN = f"{EC2}instance/i-foreign"
OURS = {"aws:ResourceTag/Project": "sales-forecast", "aws:ResourceTag/Environment": "production"}
TO_BE_OURS = {
    "aws:RequestTag/Project": "sales-forecast", "aws:RequestTag/Environment": "production"
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One call that an attacker needs to be allowed."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


def hands(role: str, service: str) -> Step:
    return Step("iam:PassRole", role, {"iam:PassedToService": f"{service}.amazonaws.com"})


def record(name: str, kind: str) -> Step:
    key = "route53:ChangeResourceRecordSets"
    context = {f"{key}NormalizedRecordNames": name, f"{key}RecordTypes": kind}
    return Step(key, ZONE, context)


REGISTERS = Step("ecs:RegisterTaskDefinition", f"{ECS}task-definition/{P}:1", TO_BE_OURS)
RUNS = Step("ec2:RunInstances", f"{EC2}instance/i-new", TO_BE_OURS)

PATHS: dict[str, tuple[Step, ...]] = {
    "more rights in its own role": (Step("iam:PutRolePolicy", f"{ROLES}/{P}-github"),),
    "another version of its policy": (
        Step("iam:CreatePolicyVersion", f"{IAM}policy/sales-forecasting/{P}-github"),
    ),
    "an old version of its policy": (
        Step("iam:SetDefaultPolicyVersion", f"{IAM}policy/sales-forecasting/{P}-github"),
    ),
    "a policy of AWS on its role": (
        Step("iam:AttachRolePolicy", f"{ROLES}/{P}-github",
             {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    ),
    "a policy of ours on its role": (
        Step("iam:AttachRolePolicy", f"{ROLES}/{P}-github",
             {"iam:PolicyARN": f"{IAM}policy/sales-forecasting/{P}-other"}),
    ),
    "its role for anybody": (Step("iam:UpdateAssumeRolePolicy", f"{ROLES}/{P}-github"),),
    "the host's role for anybody": (Step("iam:UpdateAssumeRolePolicy", f"{ROLES}/{P}-mlflow"),),
    "a longer session": (Step("iam:UpdateRole", f"{ROLES}/{P}-github"),),
    "a role of its own": (Step("iam:CreateRole", f"{ROLES}/{P}-mine"),),
    "a policy of its own": (Step("iam:CreatePolicy", f"{IAM}policy/sales-forecasting/{P}-mine"),),
    "another role for the job": (Step("glue:UpdateJob", f"{GLUE}job/{P}-stage"),
                                 hands(ADMIN, "glue")),
    "code of its own in a function": (
        Step("lambda:UpdateFunctionCode", f"arn:aws:lambda:{HERE}:function:{P}-staged"),
    ),
    "a function for anybody": (
        Step("lambda:AddPermission", f"arn:aws:lambda:{HERE}:function:{P}-staged"),
    ),
    "word of each delivery": (Step("s3:PutBucketNotification", BUCKET),),
    "a delivery": (Step("s3:GetObject", f"{BUCKET}/raw/1/train/part-0.csv", IN_ACCOUNT),),
    "a delivery of its own": (Step("s3:PutObject", f"{BUCKET}/raw/1/manifest.json", IN_ACCOUNT),),
    "what is staged changed": (
        Step("s3:PutObject", f"{BUCKET}/staged/1/train.csv.gz", IN_ACCOUNT),
    ),
    "a user": (Step("iam:CreateUser", f"{IAM}user/me"),),
    "a key of another user": (Step("iam:CreateAccessKey", f"{IAM}user/admin"),),
    "a password of another user": (Step("iam:CreateLoginProfile", f"{IAM}user/admin"),),
    "rights of a user": (Step("iam:PutUserPolicy", f"{IAM}user/me"),),
    "a group of administrators": (Step("iam:AddUserToGroup", f"{IAM}group/admins"),),
    "another role in the host's profile": (
        Step("iam:AddRoleToInstanceProfile",
             f"{IAM}instance-profile/sales-forecasting/{P}-mlflow"),
    ),
    "a login of its own": (
        Step("iam:CreateOpenIDConnectProvider", f"{IAM}oidc-provider/example.com"),
    ),
    "GitHub's login for other clients": (
        Step("iam:AddClientIDToOpenIDConnectProvider",
             f"{IAM}oidc-provider/token.actions.githubusercontent.com"),
    ),
    "a role for a service that it does not use": (
        Step("iam:CreateServiceLinkedRole",
             f"{IAM}role/aws-service-role/lex.amazonaws.com/AWSServiceRoleForLexBots",
             {"iam:AWSServiceName": "lex.amazonaws.com"}),
    ),
    "another role at once": (Step("sts:AssumeRole", ADMIN),),
    "a task as an administrator": (
        REGISTERS, hands(ADMIN, "ecs-tasks"),
        Step("ecs:UpdateService", f"{ECS}service/{P}/{P}"),
    ),
    "a task as the pipeline": (REGISTERS, hands(f"{ROLES}/{P}-github", "ecs-tasks")),
    "a task as the host": (REGISTERS, hands(f"{ROLES}/{P}-mlflow", "ecs-tasks")),
    "a task of another environment": (
        REGISTERS, hands(f"{ROLES}/sales-forecast-staging-task", "ecs-tasks"),
    ),
    "a task as a role that begins with its names": (
        REGISTERS, hands(f"{ROLES}/{P}-2-task", "ecs-tasks"),
    ),
    "a task of the service's at will": (
        REGISTERS, Step("ecs:RunTask", f"{ECS}task-definition/{P}:1",
                        {"ecs:cluster": f"{ECS}cluster/{P}"}),
    ),
    "a shell in the service": (Step("ecs:ExecuteCommand", f"{ECS}cluster/{P}"),),
    "a schedule as an administrator": (hands(ADMIN, "scheduler"),),
    "a rule that starts something as an administrator": (
        Step("events:PutTargets", f"arn:aws:events:{HERE}:rule/{P}-failed"), hands(ADMIN, "events"),
    ),
    "a function as the service": (hands(f"{ROLES}/{P}-task", "lambda"),),
    "a function as an administrator": (
        hands(ADMIN, "lambda"), Step("lambda:CreateFunction"),
    ),
    "a stack as an administrator": (
        hands(ADMIN, "cloudformation"), Step("cloudformation:CreateStack"),
    ),
    "a machine as an administrator": (RUNS, hands(ADMIN, "ec2")),
    "the host as an administrator": (
        Step("ec2:AssociateIamInstanceProfile", f"{EC2}instance/i-ours", OURS),
        hands(ADMIN, "ec2"),
    ),
    "a foreign machine, tagged as ours": (Step("ec2:CreateTags", FOREIGN, TO_BE_OURS),),
    "an end to any machine, by an alarm": (Step(
        "cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{HERE}:alarm:{P}-mine",
        {"cloudwatch:AlarmActions": "arn:aws:automate:eu-central-1:ec2:terminate"}),),
    "an end to any machine, by an alarm of autoscaling": (Step(
        "cloudwatch:PutMetricAlarm",
        f"arn:aws:cloudwatch:{HERE}:alarm:TargetTracking-service/{P}/{P}-mine",
        {"cloudwatch:AlarmActions": "arn:aws:automate:eu-central-1:ec2:terminate"}),),
    "a foreign machine": (Step("ec2:ModifyInstanceAttribute", FOREIGN),),
    "a foreign network, tagged as ours": (
        Step("ec2:CreateTags", f"{EC2}vpc/vpc-foreign", TO_BE_OURS),
    ),
    "a foreign cluster, tagged as ours": (
        Step("ecs:TagResource", f"{ECS}cluster/foreign", TO_BE_OURS),
    ),
    "a foreign load balancer, tagged as ours": (
        Step("elasticloadbalancing:AddTags",
             f"arn:aws:elasticloadbalancing:{HERE}:loadbalancer/app/foreign/1", TO_BE_OURS),
    ),
    "a foreign service": (Step("ecs:UpdateService", f"{ECS}service/foreign/foreign"),),
    "a shell on the host": (Step("ssm:StartSession", f"{EC2}instance/i-ours", OURS),),
    "a command on the host": (Step("ssm:SendCommand", f"{EC2}instance/i-ours", OURS),),
    "the database's master password": (
        Step("secretsmanager:GetSecretValue", f"{SECRETS}rds!db-1"),
    ),
    "the database's address and password": (
        Step("secretsmanager:GetSecretValue", f"{SECRETS}{P}-database-url-abcdef"),
    ),
    "a secret for another account": (
        Step("secretsmanager:PutResourcePolicy", f"{SECRETS}{P}-api-key-abcdef"),
    ),
    "the database deleted": (Step("rds:DeleteDBInstance", f"{RDS}db:{P}"),),
    "the database without backups, or open": (Step("rds:ModifyDBInstance", f"{RDS}db:{P}"),),
    "its backups deleted": (Step("rds:DeleteDBInstanceAutomatedBackup", f"{RDS}auto-backup:1"),),
    "its snapshots deleted": (Step("rds:DeleteDBSnapshot", f"{RDS}snapshot:rds:{P}-1"),),
    "its snapshots for another account": (
        Step("rds:ModifyDBSnapshotAttribute", f"{RDS}snapshot:rds:{P}-1"),
    ),
    "a copy of the database": (
        Step("rds:RestoreDBInstanceFromDBSnapshot", f"{RDS}snapshot:rds:{P}-1"),
    ),
    "artifacts read": (Step("s3:GetObject", f"{BUCKET}/artifacts/1"),),
    "artifacts deleted": (Step("s3:DeleteObject", f"{BUCKET}/artifacts/1"),),
    "old versions of artifacts deleted": (
        Step("s3:DeleteObjectVersion", f"{BUCKET}/artifacts/1"),
    ),
    "artifacts that expire tomorrow": (Step("s3:PutLifecycleConfiguration", BUCKET),),
    "artifacts without old versions": (Step("s3:PutBucketVersioning", BUCKET),),
    "artifacts for anybody": (
        Step("s3:PutBucketPolicy", BUCKET), Step("s3:PutBucketPublicAccessBlock", BUCKET),
    ),
    "the bucket deleted": (Step("s3:DeleteBucket", BUCKET),),
    "another name of the zone": (record("shop.example.com", "A"),),
    "the mail of the zone": (record("forecasts.example.com", "MX"),),
    "a certificate deleted": (
        Step("acm:DeleteCertificate", f"arn:aws:acm:{HERE}:certificate/1", OURS),
    ),
    "logs deleted": (
        Step("logs:DeleteLogGroup",
             f"arn:aws:logs:{HERE}:log-group:/sales-forecast/production/service"),
    ),
    "images for another account": (
        Step("ecr:SetRepositoryPolicy", f"arn:aws:ecr:{HERE}:repository/{P}"),
    ),
    "all images at once": (Step("ecr:DeleteRepository", f"arn:aws:ecr:{HERE}:repository/{P}"),),
    "false news to whoever is told of alarms": (
        Step("sns:Publish", f"arn:aws:sns:{HERE}:{P}-alarms"),
    ),
    "metrics that keep an alarm silent": (
        Step("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": P}),
    ),
    "the weekly job deleted": (
        Step("scheduler:DeleteSchedule", f"arn:aws:scheduler:{HERE}:schedule/{P}/{P}-weekly"),
    ),
    "the service deleted": (Step("ecs:DeleteService", f"{ECS}service/{P}/{P}"),),
    "a secret deleted": (Step("secretsmanager:DeleteSecret", f"{SECRETS}{P}-api-key-abcdef"),),
}  # fmt: skip
"""What an attacker wants, and the calls that it takes."""

WORK: dict[str, tuple[Step, ...]] = {
    "an alarm that tells": (Step(
        "cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{HERE}:alarm:{P}-5xx",
        {"cloudwatch:AlarmActions": f"arn:aws:sns:{HERE}:{P}-alarms"}),),
    "an alarm that restarts the host": (Step(
        "cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{HERE}:alarm:{P}-mlflow-instance",
        {"cloudwatch:AlarmActions": "arn:aws:automate:eu-central-1:ec2:reboot"}),),
    "an alarm of autoscaling": (Step(
        "cloudwatch:PutMetricAlarm",
        f"arn:aws:cloudwatch:{HERE}:alarm:TargetTracking-service/{P}/{P}-AlarmHigh",
        {"cloudwatch:AlarmActions": f"arn:aws:autoscaling:{HERE}:scalingPolicy:1"}),),
    "a new release": (
        REGISTERS, hands(f"{ROLES}/{P}-task", "ecs-tasks"),
        hands(f"{ROLES}/{P}-execution", "ecs-tasks"),
        Step("ecs:UpdateService", f"{ECS}service/{P}/{P}"),
    ),
    "tags of a new task definition": (
        Step("ecs:TagResource", f"{ECS}task-definition/{P}-train:1",
             {"ecs:CreateAction": "RegisterTaskDefinition"}),
    ),
    "a new host": (
        RUNS, hands(f"{ROLES}/{P}-mlflow", "ec2"),
        Step("ec2:CreateTags", f"{EC2}instance/i-new", {"ec2:CreateAction": "RunInstances"}),
        Step("ec2:CreateTags", f"{EC2}volume/vol-new", {"ec2:CreateAction": "RunInstances"}),
    ),
    "a host in order": (Step("ec2:ModifyInstanceAttribute", f"{EC2}instance/i-ours", OURS),),
    "a new listener": (
        Step("elasticloadbalancing:AddTags",
             f"arn:aws:elasticloadbalancing:{HERE}:listener/app/{P}/1/2",
             {"elasticloadbalancing:CreateAction": "CreateListener"}),
    ),
    "other targets of scaling": (
        Step("application-autoscaling:PutScalingPolicy",
             f"arn:aws:application-autoscaling:{HERE}:scalable-target/1",
             {"application-autoscaling:service-namespace": "ecs"}),
        Step("cloudwatch:PutMetricAlarm",
             f"arn:aws:cloudwatch:{HERE}:alarm:TargetTracking-service/{P}/{P}-AlarmHigh-1"),
    ),
    "the job of Glue in order": (
        Step("s3:PutObject", f"{BUCKET}/code/stage.py", IN_ACCOUNT),
        Step("glue:UpdateJob", f"{GLUE}job/{P}-stage"), hands(f"{ROLES}/{P}-stage", "glue"),
    ),
    "the name of the service": (record("forecasts.example.com", "A"),),
    "the proof of its name": (record("_0a1b.forecasts.example.com", "CNAME"),),
    "a look at roles": (Step("iam:GetRolePolicy", f"{ROLES}/{P}-github"),),
    "a look at the database": (Step("rds:DescribeDBInstances", f"{RDS}db:{P}"),),
    "a look at the bucket": (Step("s3:GetBucketPolicy", BUCKET),),
    "an image pushed": (Step("ecr:PutImage", f"arn:aws:ecr:{HERE}:repository/{P}"),),
    "the service asked": (Step("secretsmanager:GetSecretValue", f"{SECRETS}{P}-api-key-abcdef"),),
}  # fmt: skip
"""What the pipeline is for: that an attack is refused says something only if this is not."""

Statements = list[dict[str, Any]]


def of_the_pipeline(aws: Aws) -> Statements:
    """Return all that its role may do."""
    serving, _ = both(aws)
    (role,) = (
        item for item in serving.own if isinstance(item, Role) and item.name == aws.pipeline_role
    )
    return [*role.statements, *(one for item in role.attached for one in item.statements)]


@pytest.fixture(scope="module")
def aws() -> Aws:
    settings = InfraSettings(
        region="eu-central-1", github_repository="acme/forecasts",
        domain="forecasts.example.com", hosted_zone_id="Z0123456789", delivery_layout="departments",
    )  # fmt: skip
    return Aws(settings, account="123456789012")


@pytest.fixture(scope="module")
def pipeline(aws: Aws) -> Statements:
    return of_the_pipeline(aws)


def allowed(statements: Statements, path: tuple[Step, ...]) -> bool:
    return all(allows(statements, step.action, step.resource, step.context) for step in path)


@pytest.mark.parametrize("wanted", PATHS)
def test_an_attacker_with_the_pipelines_role_does_not_get(
    pipeline: Statements, wanted: str
) -> None:
    assert not allowed(pipeline, PATHS[wanted])


@pytest.mark.parametrize("wanted", WORK)
def test_the_pipeline_gets_its_work_done(pipeline: Statements, wanted: str) -> None:
    assert allowed(pipeline, WORK[wanted])


def test_the_pipeline_writes_nothing_of_iam_but_hands_its_roles_on(pipeline: Statements) -> None:
    written = {
        action
        for statement in pipeline
        for action in statement["Action"]
        if action.startswith("iam:") and not action.startswith(("iam:Get", "iam:List"))
    }
    assert {"iam:PassRole", "iam:CreateServiceLinkedRole"} == written


@pytest.mark.parametrize("number", [0, 1])
def test_nobody_with_a_printed_policy_makes_foreign_things_ours_by_tags(
    aws: Aws, number: int
) -> None:
    printed = policy.statements(both(aws)[number].resources)
    tagged = [path for name, path in PATHS.items() if "tagged as ours" in name]
    assert len(tagged) == 4
    assert not any(allowed(printed, path) for path in tagged)


IMPLIED = {
    "ec2:DescribeAccountAttributes": "*",
    "ec2:DescribeInternetGateways": "*",
    "cloudwatch:PutMetricAlarm":
        f"arn:aws:cloudwatch:{HERE}:alarm:TargetTracking-service/{P}/{P}-AlarmHigh-1",
    "cloudwatch:DeleteAlarms":
        f"arn:aws:cloudwatch:{HERE}:alarm:TargetTracking-service/{P}/{P}-AlarmLow-1",
    "cloudwatch:DescribeAlarms": f"arn:aws:cloudwatch:{HERE}:alarm:*",
}  # fmt: skip
"""What AWS asks for by the way: for the first load balancer of an account, for scaling."""


@pytest.mark.parametrize("network", ["made", "found"])
def test_a_printed_policy_allows_what_aws_asks_for_by_the_way(network: str) -> None:
    subnets = {
        "vpc_id": "vpc-12345678",
        "public_subnet_ids": "subnet-11111111 subnet-22222222",
        "private_subnet_ids": "subnet-33333333 subnet-44444444",
    }
    settings = InfraSettings(region="eu-central-1", **subnets if network == "found" else {})
    serving, _ = both(Aws(settings, account="123456789012"))
    printed = policy.statements(serving.resources)
    assert all(allows(printed, action, resource, {}) for action, resource in IMPLIED.items())


def test_patterns_are_read_as_iam_reads_them() -> None:
    assert like("arn:*:role/a-?", "arn:aws:iam::1:role/a-b")
    assert not like("a-*", "b-a-1")
    assert not like("a.c", "abc")


def test_a_denial_or_a_key_that_is_not_there_outweighs() -> None:
    by_tag = {"Effect": "Allow", "Action": ["s3:*"], "Resource": "*",
              "Condition": {"StringEquals": {"aws:ResourceTag/Project": ["a", "b"]}}}  # fmt: skip
    never = {"Effect": "Deny", "Action": ["s3:Delete*"], "Resource": "*"}
    assert allows([by_tag], "s3:GetObject", "x", {"aws:ResourceTag/Project": "b"})
    assert not allows([by_tag], "s3:GetObject", "x", {})
    assert not allows([by_tag, never], "s3:DeleteObject", "x", {"aws:ResourceTag/Project": "b"})
