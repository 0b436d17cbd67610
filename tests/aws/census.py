"""Everything that is in an account, listed service by service, without the code under test."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import boto3

_LISTINGS: tuple[tuple[str, str, str, str | None], ...] = (
    ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    ("ec2", "describe_volumes", "Volumes", "VolumeId"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("ecr", "describe_repositories", "repositories", "repositoryName"),
    ("ecs", "list_clusters", "clusterArns", None),
    ("ecs", "list_task_definitions", "taskDefinitionArns", None),
    ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn"),
    ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupArn"),
    ("glue", "list_jobs", "JobNames", None),
    ("glue", "get_databases", "DatabaseList", "Name"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    ("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList", "Arn"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_snapshots", "DBSnapshots", "DBSnapshotIdentifier"),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    ("rds", "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("route53", "list_hosted_zones", "HostedZones", "Name"),
    ("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
    ("scheduler", "list_schedules", "Schedules", "Name"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("sns", "list_subscriptions", "Subscriptions", "Endpoint"),
    ("ssm", "describe_parameters", "Parameters", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("events", "list_rules", "Rules", "Name"),
    ("sqs", "list_queues", "QueueUrls", None),
    ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
)

Census = dict[str, list[str]]


def census(session: boto3.Session) -> Census:
    """Return the names of all there is, by listing; kinds that are empty are left out."""
    found: Census = {}
    made = cache(session.client)
    for service, listing, key, name in _LISTINGS:
        client = made(service)
        items = client.get_paginator(listing).paginate() if client.can_paginate(listing) else [
            getattr(client, listing)()
        ]  # fmt: skip
        names = [item[name] if name else item for page in items for item in page.get(key, ())]
        found[f"{service} {key}"] = [text for text in names if not _is_default(text)]
    found["iam Policies"] = [
        item["PolicyName"] for item in made("iam").list_policies(Scope="Local")["Policies"]
    ]
    account = made("sts").get_caller_identity()["Account"]
    found["budgets"] = [
        item["BudgetName"]
        for item in made("budgets").describe_budgets(AccountId=account)["Budgets"]
    ]
    found["ec2 Instances"] = _instances(made("ec2"))
    found |= _services(made("ecs"))
    found |= _listeners(made("elbv2"))
    found |= _scaling(made("application-autoscaling"))
    return {kind: sorted(names) for kind, names in found.items() if names}


def without(found: Census, baseline: Census) -> Census:
    """Return what is there beyond what an empty account has."""
    beyond = {
        kind: sorted((Counter(names) - Counter(baseline.get(kind, ()))).elements())
        for kind, names in found.items()
    }
    return {kind: names for kind, names in beyond.items() if names}


def counts(found: Census) -> dict[str, int]:
    """Return how many there are of each kind."""
    return {kind: len(names) for kind, names in found.items()}


def _is_default(name: str) -> bool:
    return name.startswith(("default", "AWSServiceRole", "/aws/service/", "/rds/"))


def _instances(ec2: Any) -> list[str]:
    return [
        instance["InstanceId"]
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] not in {"terminated", "shutting-down"}
    ]


def _services(ecs: Any) -> Census:
    clusters = [
        item["clusterArn"]
        for item in ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
        if item["status"] != "INACTIVE"
    ]
    services = [arn for name in clusters for arn in ecs.list_services(cluster=name)["serviceArns"]]
    return {"ecs clusterArns": clusters, "ecs services": services}


def _listeners(elbv2: Any) -> Census:
    return {
        "elbv2 Listeners": [
            listener["ListenerArn"]
            for balancer in elbv2.describe_load_balancers()["LoadBalancers"]
            for listener in elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])[
                "Listeners"
            ]
        ]
    }


def _scaling(scaling: Any) -> Census:
    return {
        "scaling targets": [
            item["ResourceId"]
            for item in scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
        ],
        "scaling policies": [
            item["PolicyName"]
            for item in scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
        ],
    }
