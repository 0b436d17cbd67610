"""What calls name, as IAM writes it: so a policy can be held against each call that was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import boto3

from aws_cloud_infra.engine import actions
from tests.aws.iam import allows

Call = tuple[str, str, Mapping[str, Any]]

P = "sales-forecast-production"
HERE = "eu-central-1:123456789012"
ROLES = "arn:aws:iam::123456789012:role/sales-forecasting"
OURS = {"Project": "sales-forecast", "Environment": "production"}
NAMES: dict[str, dict[str, str]] = {
    "acm": {"CertificateArn": "{}"},
    "application-auto-scaling": {
        "ResourceId": f"arn:aws:application-autoscaling:{HERE}:scalable-target/1"
    },
    "budgets": {
        "BudgetName": "arn:aws:budgets::123456789012:budget/{}",
        "ResourceARN": "{}",
    },
    "cloudwatch": {
        "AlarmName": f"arn:aws:cloudwatch:{HERE}:alarm:{{}}",
        "AlarmNames": f"arn:aws:cloudwatch:{HERE}:alarm:{{}}",
        "DashboardName": "arn:aws:cloudwatch::123456789012:dashboard/{}",
        "DashboardNames": "arn:aws:cloudwatch::123456789012:dashboard/{}",
        "ResourceARN": "{}",
    },
    "cloudwatch-logs": {
        "logGroupName": f"arn:aws:logs:{HERE}:log-group:{{}}",
        "resourceArn": "{}",
    },
    "ec2": {
        name: f"arn:aws:ec2:{HERE}:{kind}/{{}}"
        for name, kind in {
            "VpcId": "vpc", "SubnetId": "subnet", "RouteTableId": "route-table",
            "InternetGatewayId": "internet-gateway", "GroupId": "security-group",
            "InstanceId": "instance", "InstanceIds": "instance", "VolumeId": "volume",
            "AssociationId": "route-table", "FlowLogIds": "vpc-flow-log",
        }.items()
    },
    "ecr": {"repositoryName": f"arn:aws:ecr:{HERE}:repository/{{}}",
            "repositoryNames": f"arn:aws:ecr:{HERE}:repository/{{}}", "resourceArn": "{}"},
    "ecs": {
        "clusters": f"arn:aws:ecs:{HERE}:cluster/{{}}",
        "services": f"arn:aws:ecs:{HERE}:service/{P}/{{}}",
        "service": f"arn:aws:ecs:{HERE}:service/{P}/{{}}",
        "serviceName": f"arn:aws:ecs:{HERE}:service/{P}/{{}}",
        "taskDefinitions": "{}",
    },
    "elastic-load-balancing-v2": {
        "LoadBalancerArn": "{}", "TargetGroupArn": "{}", "ListenerArn": "{}",
    },
    "eventbridge": {
        "Name": f"arn:aws:events:{HERE}:rule/{{}}",
        "Rule": f"arn:aws:events:{HERE}:rule/{{}}",
        "ResourceARN": "{}",
    },
    "glue": {
        "Job": f"arn:aws:glue:{HERE}:job/{{}}",
        "Catalog": f"arn:aws:glue:{HERE}:catalog",
        "Database": f"arn:aws:glue:{HERE}:database/{{}}",
        "Table": f"arn:aws:glue:{HERE}:table/{{}}",
        "ResourceArn": "{}",
    },
    "iam": {
        "RoleName": f"{ROLES}/{{}}",
        "InstanceProfileName":
            "arn:aws:iam::123456789012:instance-profile/sales-forecasting/{}",
        "PolicyArn": "{}",
        "OpenIDConnectProviderArn": "{}",
        "PolicyName": "arn:aws:iam::123456789012:policy/sales-forecasting/{}",
        "Url": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
    },
    "lambda": {"FunctionName": f"arn:aws:lambda:{HERE}:function:{{}}"},
    "rds": {
        "DBInstanceIdentifier": f"arn:aws:rds:{HERE}:db:{{}}",
        "DBSubnetGroupName": f"arn:aws:rds:{HERE}:subgrp:{{}}",
        "DBParameterGroupName": f"arn:aws:rds:{HERE}:pg:{{}}",
        "ResourceName": "{}",
    },
    "route-53": {"Id": "arn:aws:route53:::hostedzone/{}",
                 "HostedZoneId": "arn:aws:route53:::hostedzone/{}",
                 "ResourceId": "arn:aws:route53:::hostedzone/{}"},
    "s3": {"Bucket": "arn:aws:s3:::{}"},
    "scheduler": {
        "Name": f"arn:aws:scheduler:{HERE}:schedule/{P}/{{}}",
        "ResourceArn": "{}",
    },
    "secrets-manager": {
        "SecretId": f"arn:aws:secretsmanager:{HERE}:secret:{{}}-abcdef",
        "Name": f"arn:aws:secretsmanager:{HERE}:secret:{{}}-abcdef",
    },
    "sns": {"TopicArn": "{}", "Name": f"arn:aws:sns:{HERE}:{{}}", "ResourceArn": "{}"},
    "sqs": {"QueueName": f"arn:aws:sqs:{HERE}:{{}}"},
    "ssm": {"Name": f"arn:aws:ssm:{HERE}:parameter{{}}",
            "ResourceId": f"arn:aws:ssm:{HERE}:parameter{{}}"},
}  # fmt: skip
"""Where a call names what it is about, and how that is written in a policy."""

NEW = {
    "CreateVpc": "vpc", "CreateSubnet": "subnet", "CreateRouteTable": "route-table",
    "CreateInternetGateway": "internet-gateway", "CreateSecurityGroup": "security-group",
    "RunInstances": "instance", "CreateFlowLogs": "vpc-flow-log",
}  # fmt: skip
PUBLIC = "eu-central-1::parameter/aws/"
LISTINGS = ("ec2:Describe", "elasticloadbalancing:Describe", "application-autoscaling:Describe")
"""Reads for which AWS knows nothing narrower than all."""


def trace(session: boto3.Session) -> list[Call]:
    """Return a list that fills with the calls of a session and their parameters."""
    calls: list[Call] = []

    def note(event_name: str, params: Mapping[str, Any], **_: Any) -> None:
        _, service, operation = event_name.split(".")
        calls.append((service, operation, dict(params)))

    session.events.register("provide-client-params.*.*", note)
    return calls


def named(service: str, operation: str, told: Mapping[str, Any]) -> list[str]:
    """Return what a call is about, as IAM writes it; "*" for a call that names nothing."""
    if actions.action(service, operation).startswith(LISTINGS):
        return ["*"]
    if operation in NEW:
        return [f"arn:aws:ec2:{HERE}:{NEW[operation]}/new"]
    told = about(service, operation, told)
    found = [
        value if value.startswith("arn:") else pattern.format(value)
        for name, pattern in NAMES.get(service, {}).items()
        if name in told
        for value in ([told[name]] if isinstance(told[name], str) else told[name])
    ]
    return [arn.replace(f"{HERE}:parameter/aws/", PUBLIC) for arn in found] or ["*"]


def about(service: str, operation: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters of a call without those that name something beside."""
    kinds = {"CreateLoadBalancer": "loadbalancer/app", "CreateTargetGroup": "targetgroup"}
    if operation in kinds:
        arn = f"arn:aws:elasticloadbalancing:{HERE}:{kinds[operation]}/{told['Name']}/1"
        return {"LoadBalancerArn": arn}
    if service in {"glue", "s3"}:
        return _of_glue(operation, told) if service == "glue" else _of_s3(told)
    if service == "scheduler" and "Group" in operation and "Name" in told:
        return {"ResourceArn": f"arn:aws:scheduler:{HERE}:schedule-group/{told['Name']}"}
    if operation == "DeleteCluster":
        told = {"clusters": [told["cluster"]]}
    elif operation == "RunTask":
        told = {"taskDefinitions": f"arn:aws:ecs:{HERE}:task-definition/{told['taskDefinition']}"}
    elif operation == "CreateBudget":
        told = told["Budget"]
    elif "QueueUrl" in told:
        told = {"QueueName": told["QueueUrl"].rpartition("/")[2]}
    for whole in ("RoleName", "LoadBalancerArn"):
        if whole in told:
            return {whole: told[whole]}
    return told


def _of_glue(operation: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what Glue looks at: for a table its database, too, and for both the catalog."""
    if "ResourceArn" in told:
        return told
    if "Job" in operation:
        return {"Job": told.get("JobName") or told["Name"]}
    name = told.get("Name") or told.get("DatabaseInput", told.get("TableInput"))["Name"]
    if "Table" not in operation:
        return {"Catalog": "", "Database": name}
    database = told["DatabaseName"]
    return {"Catalog": "", "Database": database, "Table": f"{database}/{name}"}


def _of_s3(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"Bucket": f"{told['Bucket']}/{told['Key']}"} if "Key" in told else told


def tags(told: Mapping[str, Any]) -> dict[str, str]:
    pairs = told.get("Tags", told.get("tags", ()))
    specified = [pair for item in told.get("TagSpecifications", ()) for pair in item["Tags"]]
    listed = [*pairs, *specified] if not isinstance(pairs, Mapping) else []
    return {
        f"aws:RequestTag/{pair.get('Key', pair.get('key'))}": pair.get("Value", pair.get("value"))
        for pair in listed
    }


def context(told: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that AWS would look at."""
    keys = {f"aws:ResourceTag/{name}": value for name, value in OURS.items()} | tags(told)
    if "ServiceNamespace" in told:
        keys["application-autoscaling:service-namespace"] = told["ServiceNamespace"]
    keys["aws:ResourceAccount"] = "123456789012"
    if "cluster" in told:
        keys["ecs:cluster"] = f"arn:aws:ecs:{HERE}:cluster/{told['cluster']}"
    if "Prefix" in told:
        keys["s3:prefix"] = told["Prefix"]
    if "PolicyArn" in told:
        keys["iam:PolicyARN"] = told["PolicyArn"]
    for change in told.get("ChangeBatch", {}).get("Changes", ()):
        record, key = change["ResourceRecordSet"], "route53:ChangeResourceRecordSets"
        keys[f"{key}NormalizedRecordNames"] = record["Name"].rstrip(".")
        keys[f"{key}RecordTypes"] = record["Type"]
    return keys


def handed(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the roles that a call hands on, each with the service that it is for."""
    for key in ("executionRoleArn", "taskRoleArn"):
        if key in told:
            yield told[key], "ecs-tasks.amazonaws.com"
    if "RoleArn" in told.get("Target", {}):
        yield told["Target"]["RoleArn"], "scheduler.amazonaws.com"
    if "Handler" in told:
        yield told["Role"], "lambda.amazonaws.com"
    if "Command" in (job := told.get("JobUpdate", told)):
        yield job["Role"], "glue.amazonaws.com"
    if "IamInstanceProfile" in told:
        yield f"{ROLES}/{P}-mlflow", "ec2.amazonaws.com"


def denied(statements: list[dict[str, Any]], calls: list[Call]) -> set[str]:
    """Return what policies do not allow of calls, with the name that it is about."""
    refused = set()
    for service, operation, told in calls:
        wanted = [
            (actions.action(service, operation), arn, context(told))
            for arn in named(service, operation, told)
        ] + [
            ("iam:PassRole", role, {"iam:PassedToService": to}) for role, to in handed(told)
        ]  # fmt: skip
        if operation in NEW:
            arn = f"arn:aws:ec2:{HERE}:{NEW[operation]}/new"
            wanted.append(("ec2:CreateTags", arn, {"ec2:CreateAction": operation}))
        refused |= {
            f"{action} {arn}" for action, arn, keys in wanted
            if not allows(statements, action, arn, keys)
        }  # fmt: skip
    return refused
