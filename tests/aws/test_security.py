"""What was really created keeps every promise about security, seen with boto3 alone."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import boto3
import pytest

from aws_cloud_infra import infra, mlflow_infra
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import policy
from aws_cloud_infra.account.packing import unpacked
from aws_cloud_infra.account.settings import InfraSettings
from aws_cloud_infra.commands.main import main
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.stacks import both
from aws_cloud_infra.stacks.shared import shared
from tests.aws.account import Account
from tests.aws.mlflow_log import will_answer

PREFIX = "sales-forecast-production"
AS_WIDE_AS_AWS_HAS_IT = re.compile(
    r"(ec2|elasticloadbalancing|application-autoscaling):Describe\w+"
    r"|route53:(ListHostedZonesByName|CreateHostedZone)|ecr:GetAuthorizationToken|ecs:(Describe|List)TaskDefinitions?|iam:ListRoles"
    r"|logs:DescribeLogGroups"
    r"|secretsmanager:GetRandomPassword|sns:Unsubscribe|ssm:DescribeParameters"
    r"|acm:ListCertificates|logs:CreateLogDelivery|tag:GetResources"
    r"|ssmmessages:\w+Channel|sts:GetCallerIdentity"
)
"""Actions for which AWS knows no narrower resource than "*"."""
_SECRET_WORDS = re.compile(r"pass(word|wd)|secret|api_?key|token", re.IGNORECASE)


@pytest.fixture(scope="module")
def said(server: Account) -> Iterator[str]:
    """Both stacks on the account, and all that the scripts said while they were made."""
    server.reset()
    will_answer(server)
    out = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
        for name, value in server.environment().items():
            patch.setenv(name, value)
        patch.setenv("INFRA_GITHUB_REPOSITORY", "acme/forecasts")
        for script in (mlflow_infra, infra):
            for verb in (["plan", "--json"], ["apply", "--yes"], ["status", "--json"]):
                assert 0 == main(script.build, verb)
    yield out.getvalue()
    server.reset()


@pytest.fixture
def session(server: Account, said: str) -> boto3.Session:
    return server.session()


def of_prefix(groups: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {group["GroupName"].removeprefix(f"{PREFIX}-"): group for group in groups}


@pytest.fixture
def groups(session: boto3.Session) -> dict[str, dict[str, Any]]:
    found = session.client("ec2").describe_security_groups(
        Filters=[{"Name": "tag:Project", "Values": ["sales-forecast"]}]
    )
    return of_prefix(found["SecurityGroups"])


@pytest.fixture
def database(session: boto3.Session) -> dict[str, Any]:
    (found,) = session.client("rds").describe_db_instances()["DBInstances"]
    return found


@pytest.fixture
def instance(session: boto3.Session) -> dict[str, Any]:
    (reservation,) = session.client("ec2").describe_instances()["Reservations"]
    return reservation["Instances"][0]


@pytest.fixture
def user_data(session: boto3.Session, instance: dict[str, Any]) -> str:
    answer = session.client("ec2").describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="userData"
    )
    return unpacked(base64.b64decode(answer["UserData"]["Value"])).decode()


@pytest.fixture
def containers(session: boto3.Session) -> list[dict[str, Any]]:
    ecs = session.client("ecs")
    return [
        container
        for arn in ecs.list_task_definitions()["taskDefinitionArns"]
        for container in ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"][
            "containerDefinitions"
        ]
    ]


def statements_of(session: boto3.Session, role: str) -> list[dict[str, Any]]:
    iam = session.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=n)["PolicyDocument"] for n in names]
    for item in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=item["PolicyArn"])["Policy"]["DefaultVersionId"]
        answer = iam.get_policy_version(PolicyArn=item["PolicyArn"], VersionId=version)
        documents.append(answer["PolicyVersion"]["Document"])
    return [statement for document in documents for statement in document["Statement"]]


def letters(document: Any) -> int:
    return len(json.dumps(document, separators=(",", ":")))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_only_the_load_balancer_can_be_reached_from_anywhere(groups) -> None:
    open_to = {
        name: [
            (rule["FromPort"], peer["CidrIp"])
            for rule in group["IpPermissions"]
            for peer in rule["IpRanges"]
        ]
        for name, group in groups.items()
    }
    assert {
        "balancer": [(80, "0.0.0.0/0")], "service": [], "mlflow": [], "database": [],
    } == open_to  # fmt: skip


def test_each_group_lets_in_only_the_group_before_it(groups) -> None:
    names = {group["GroupId"]: name for name, group in groups.items()}
    lets_in = {
        name: sorted(
            (names[peer["GroupId"]], rule["FromPort"], rule["ToPort"])
            for rule in group["IpPermissions"]
            for peer in rule["UserIdGroupPairs"]
        )
        for name, group in groups.items()
    }
    assert {
        "balancer": [],
        "service": [("balancer", 8000, 8000)],
        "mlflow": [("service", 5000, 5000)],
        "database": [("mlflow", 3306, 3306), ("service", 3306, 3306)],
    } == lets_in


def test_the_door_of_a_database_is_that_of_its_engine() -> None:
    settings = InfraSettings(region="eu-central-1", database_engine="postgres")
    group = shared(Aws(settings, account="123456789012")).network.database_group
    assert ("PostgreSQL", {"tcp 5432"}) == (group.purpose, {rule for rule, _ in group.ingress})


def test_the_database_is_private_encrypted_backed_up_and_keeps_its_own_password(
    session, database
) -> None:
    assert (False, True) == (database["PubliclyAccessible"], database["StorageEncrypted"])
    assert database["BackupRetentionPeriod"] >= 1
    assert database["DeletionProtection"] is True
    assert database["MasterUserSecret"]["SecretArn"].startswith("arn:aws:secretsmanager:")
    ec2 = session.client("ec2")
    for subnet in database["DBSubnetGroup"]["Subnets"]:
        (table,) = ec2.describe_route_tables(
            Filters=[{"Name": "association.subnet-id", "Values": [subnet["SubnetIdentifier"]]}]
        )["RouteTables"]
        assert ["local"] == [route["GatewayId"] for route in table["Routes"]]


def test_the_database_refuses_connections_without_tls(session, database) -> None:
    (group,) = database["DBParameterGroups"]
    parameters = session.client("rds").describe_db_parameters(
        DBParameterGroupName=group["DBParameterGroupName"]
    )["Parameters"]
    values = {item["ParameterName"]: item.get("ParameterValue") for item in parameters}
    assert values["require_secure_transport"] in {"1", "ON"}


def test_the_host_has_an_encrypted_disk_no_ssh_key_and_wants_signed_metadata_requests(
    session, instance
) -> None:
    assert "required" == instance["MetadataOptions"]["HttpTokens"]
    assert "KeyName" not in instance
    volumes = session.client("ec2").describe_volumes()["Volumes"]
    assert [True] == [volume["Encrypted"] for volume in volumes]


def test_both_buckets_are_closed_encrypted_versioned_and_want_tls(session) -> None:
    s3 = session.client("s3")
    buckets = [item["Name"].split("-")[3] for item in s3.list_buckets()["Buckets"]]
    assert ["access", "mlflow"] == sorted(buckets)
    for bucket in (item["Name"] for item in s3.list_buckets()["Buckets"]):
        closed = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert {
            "BlockPublicAcls": True, "IgnorePublicAcls": True,
            "BlockPublicPolicy": True, "RestrictPublicBuckets": True,
        } == closed  # fmt: skip
        assert "Enabled" == s3.get_bucket_versioning(Bucket=bucket)["Status"]
        assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        statement = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]
        assert ("Deny", "*", "s3:*") == tuple(
            statement[key] for key in ("Effect", "Principal", "Action")
        )
        assert {"Bool": {"aws:SecureTransport": "false"}} == statement["Condition"]


def test_each_request_to_the_load_balancer_is_written_down(session) -> None:
    elbv2 = session.client("elbv2")
    (balancer,) = elbv2.describe_load_balancers()["LoadBalancers"]
    attributes = {
        item["Key"]: item["Value"]
        for item in elbv2.describe_load_balancer_attributes(
            LoadBalancerArn=balancer["LoadBalancerArn"]
        )["Attributes"]
    }
    assert "true" == attributes["access_logs.s3.enabled"]
    assert f"{PREFIX}-access-logs-123456789012" == attributes["access_logs.s3.bucket"]


def test_the_roles_of_tasks_and_schedules_are_for_this_account_alone(session) -> None:
    for role in ("task", "job", "scheduler"):
        trust = session.client("iam").get_role(RoleName=f"{PREFIX}-{role}")["Role"]
        (statement,) = trust["AssumeRolePolicyDocument"]["Statement"]
        assert {"StringEquals": {"aws:SourceAccount": "123456789012"}} == statement["Condition"]


def test_images_are_scanned_encrypted_and_never_overwritten(session) -> None:
    (repository,) = session.client("ecr").describe_repositories()["repositories"]
    assert {"scanOnPush": True} == repository["imageScanningConfiguration"]
    assert "IMMUTABLE" == repository["imageTagMutability"]
    assert "AES256" == repository["encryptionConfiguration"]["encryptionType"]


def test_containers_run_as_nobody_special_on_a_root_that_cannot_be_written(containers) -> None:
    assert 3 == len(containers)
    for container in containers:
        assert container["user"] not in {"", "0", "root"}
        assert container["readonlyRootFilesystem"] is True
        assert not container.get("privileged")


def test_containers_get_their_secrets_by_reference_only(containers) -> None:
    everyone = {
        "DATABASE_URL", "DATABASE_CA", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_PASSWORD"
    }  # fmt: skip
    for container in containers:
        assert [] == [
            item["name"] for item in container["environment"] if _SECRET_WORDS.search(item["name"])
        ]
        references = {item["name"]: item["valueFrom"] for item in container["secrets"]}
        is_service = bool(container["portMappings"])
        more = {"API_KEY", "API_KEYS_FILE", "SESSION_SECRET"} if is_service else set()
        assert everyone | more == references.keys()
        for arn in references.values():
            assert re.match(r"arn:aws:(secretsmanager|ssm):eu-central-1:\d{12}:", arn)
        login = "production-service-database-url-" if is_service else "production-database-url-"
        assert login in references["DATABASE_URL"], "each logs in as itself"


def test_the_service_believes_the_load_balancer_whose_address_a_caller_has(containers) -> None:
    (service,) = (item for item in containers if item["portMappings"])
    told = {item["name"]: item["value"] for item in service["environment"]}
    assert "10.20.0.0/16" == told["TRUSTED_PROXIES"]


def test_no_secret_value_appears_in_output_user_data_or_task_definitions(
    session, said, user_data, containers
) -> None:
    secrets = session.client("secretsmanager")
    values = []
    for item in secrets.list_secrets()["SecretList"]:
        if item.get("SecretVersionsToStages"):
            text = secrets.get_secret_value(SecretId=item["ARN"])["SecretString"]
            values += json.loads(text).values() if text.startswith("{") else [text]
    values = [value for value in values if value not in {"admin", "mysql"} and len(str(value)) > 5]
    assert len(values) >= 2, "the API key and the database's password"
    for place in (said, user_data, json.dumps(containers)):
        assert [] == [value for value in values if str(value) in place]


def test_no_role_has_a_policy_of_aws_or_a_wildcard_among_its_actions(session) -> None:
    iam = session.client("iam")
    for role in iam.list_roles(PathPrefix="/sales-forecasting/")["Roles"]:
        attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
        assert all(item["PolicyName"].startswith(f"{PREFIX}-github") for item in attached)
        for statement in statements_of(session, role["RoleName"]):
            assert [] == [action for action in as_list(statement["Action"]) if "*" in action]


def test_no_role_may_touch_everything_where_aws_knows_something_narrower(session) -> None:
    iam = session.client("iam")
    roles = [item["RoleName"] for item in iam.list_roles(PathPrefix="/sales-forecasting/")["Roles"]]
    assert {"task", "job", "execution", "scheduler", "mlflow", "github", "flow-log"} == {
        role.removeprefix(f"{PREFIX}-") for role in roles
    }
    for role in roles:
        for statement in statements_of(session, role):
            if "*" in as_list(statement["Resource"]) and "Condition" not in statement:
                for action in as_list(statement["Action"]):
                    assert AS_WIDE_AS_AWS_HAS_IT.fullmatch(action), role


def test_the_service_may_do_nothing_on_aws(session) -> None:
    assert [] == statements_of(session, f"{PREFIX}-task")


def test_the_pipeline_can_destroy_nothing(session) -> None:
    actions = {
        action
        for statement in statements_of(session, f"{PREFIX}-github")
        for action in as_list(statement["Action"])
    }
    assert {"ecs:UpdateService", "ecr:PutImage", "rds:DescribeDBInstances"} < actions
    assert set() == actions & {
        "rds:DeleteDBInstance", "s3:DeleteBucket", "s3:DeleteObject", "ec2:TerminateInstances",
        "ecs:DeleteService", "secretsmanager:DeleteSecret", "iam:DeleteRole",
    }  # fmt: skip


def test_the_pipeline_logs_in_from_one_branch_and_environment_of_one_repository_only(
    session,
) -> None:
    role = session.client("iam").get_role(RoleName=f"{PREFIX}-github")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    github = "token.actions.githubusercontent.com"
    assert {
        "StringEquals": {
            f"{github}:aud": "sts.amazonaws.com",
            f"{github}:repository": "acme/forecasts",
            f"{github}:ref": "refs/heads/main",
        },
        "StringLike": {
            f"{github}:sub": [
                "repo:acme/forecasts:environment:production",
                "repo:acme@*/forecasts@*:environment:production",
            ]
        },
    } == statement["Condition"]


def test_policies_fit_into_what_iam_takes_with_long_names_too() -> None:
    aws = Aws(
        InfraSettings(
            region="ap-southeast-2", project="a" * 16, environment="b" * 10,
            github_repository="acme/forecasts", alarm_email="team@example.com",
            domain=f"{'c' * 48}.example.com", hosted_zone_id="Z" * 32,
        ),
        account="123456789012",
    )  # fmt: skip
    roles = [item for stack in both(aws) for item in stack.own if isinstance(item, Role)]
    for role in roles:
        assert letters(role.statements) < 2_048, role
        assert all(letters(policy(*item.statements)) <= 6_144 for item in role.attached), role
        assert len(role.attached) <= 10, role


def test_alarms_and_events_alone_may_publish_to_the_topic(session) -> None:
    sns = session.client("sns")
    (topic,) = sns.list_topics()["Topics"]
    text = sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]["Policy"]
    allowed = [item for item in json.loads(text)["Statement"] if item["Effect"] == "Allow"]
    assert [{"Service": "cloudwatch.amazonaws.com"}, {"Service": "events.amazonaws.com"}] == [
        item["Principal"] for item in allowed
    ]
