"""The serving stack: from the container registry to the URL.

Takes the account at hand and what is shared, gives a stack. Its jobs, alarms and pipeline role
are next door.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import Document, allow, trust
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.containers.cluster import Cluster
from aws_cloud_infra.resources.containers.image import Image
from aws_cloud_infra.resources.containers.repository import Repository
from aws_cloud_infra.resources.containers.scalable_target import ScalableTarget
from aws_cloud_infra.resources.containers.scaling_policy import ScalingPolicy
from aws_cloud_infra.resources.containers.service import Service
from aws_cloud_infra.resources.containers.task_definition import TaskDefinition
from aws_cloud_infra.resources.data.log_bucket import LogBucket
from aws_cloud_infra.resources.data.parameter import Parameter
from aws_cloud_infra.resources.data.secret import Secret
from aws_cloud_infra.resources.front.certificate import Certificate
from aws_cloud_infra.resources.front.former_names import FormerNames
from aws_cloud_infra.resources.front.hosted_zone import HostedZone
from aws_cloud_infra.resources.front.listener import Listener
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer
from aws_cloud_infra.resources.front.record import Record
from aws_cloud_infra.resources.front.target_group import TargetGroup
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.references import FromFact
from aws_cloud_infra.resources.watching.dashboard import Dashboard
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.resources.watching.widgets import service_widgets
from aws_cloud_infra.stacks.jobs import Runtime, jobs
from aws_cloud_infra.stacks.operators import may_operate
from aws_cloud_infra.stacks.pipeline import may_release, pipeline
from aws_cloud_infra.stacks.shared import (
    LOADS,
    MODEL,
    READER,
    SERVICE_PORT,
    STAGED,
    Shared,
    bucket_name,
    mlflow_login,
    namespace,
)
from aws_cloud_infra.stacks.watch import forecast_alarms, service_alarms

_ENVIRONMENT = {
    "HOST": "0.0.0.0",  # noqa: S104 - inside of a task; the security group is the door
    "PORT": str(SERVICE_PORT),
    **MODEL,
}
_ALIVE = (
    "CMD", "python", "-c",
    f"import urllib.request as u; u.urlopen('http://127.0.0.1:{SERVICE_PORT}/health', timeout=4)",
)  # fmt: skip


def serving(aws: Aws, shared: Shared, beside: tuple[Resource, ...]) -> Stack:
    """Return the stack of the forecasting service; its pipeline may manage what is beside it."""
    settings = aws.settings
    api_key = Secret(aws, f"{aws.prefix}-api-key", "API_KEY of the service", generated=True)
    session_secret = Secret(
        aws, f"{aws.prefix}-session-secret", "SESSION_SECRET of the service: what its tasks share",
        generated=True,
    )  # fmt: skip
    api_keys = Parameter(
        aws, f"/{settings.project}/{settings.environment}/api-keys",
        "API_KEYS_FILE of the service, as text: put your own", value=None, initial="-",
    )  # fmt: skip
    runtime = _runtime(aws, shared, (api_key, session_secret), api_keys)
    image = Image(aws, f"{aws.prefix} serve", runtime.repository, "serve-")
    task = TaskDefinition(
        aws, aws.prefix, image, runtime.execution_role, runtime.task_role, runtime.logs,
        secrets={
            **runtime.secrets, "API_KEY": api_key, "API_KEYS_FILE": api_keys,
            "SESSION_SECRET": session_secret,
            "DATABASE_URL": shared.service_database_url,
            "MLFLOW_TRACKING_PASSWORD": shared.mlflow_reader,
        },
        environment={
            **_ENVIRONMENT, **mlflow_login(READER),
            "PREDICTION_LEDGER": str(settings.prediction_ledger).lower(),
            # Only the load balancer reaches a task, from addresses of its own that change.
            "TRUSTED_PROXIES": FromFact(shared.network.vpc, "ranges"),
        },
        command=(),
        cpu=settings.task_cpu, memory=settings.task_memory, port=SERVICE_PORT, health_check=_ALIVE,
    )  # fmt: skip
    requests = LogBucket(aws, f"{aws.prefix}-access-logs-{aws.account}", settings.log_days)
    balancer = LoadBalancer(
        aws, aws.prefix, shared.network.balancer_group, shared.network.public, requests
    )
    targets = TargetGroup(aws, aws.prefix, shared.network.vpc, SERVICE_PORT, health_path="/health")
    name, listeners, closed = _doors(aws, balancer, targets)
    watched = service_alarms(aws, shared.topic, balancer, targets)
    service = Service(
        aws, aws.prefix, runtime.cluster, task, targets, listeners, shared.network.way_out,
        shared.network.public, shared.network.service_group, image, settings.min_tasks,
        settings.max_tasks, SERVICE_PORT, watched.of_releases,
    )  # fmt: skip
    scalable = ScalableTarget(
        aws, aws.prefix, runtime.cluster, service, image, settings.min_tasks, settings.max_tasks
    )
    every = (*watched.of_releases, *watched.others, *forecast_alarms(aws, shared.topic))
    widgets = service_widgets(balancer, targets, runtime.cluster, service, every)
    by_the_clock = jobs(aws, shared, runtime)
    own: tuple[Resource, ...] = (
        api_key, api_keys, session_secret, *runtime.resources, image, task, requests, balancer,
        targets, *name, *listeners, service, scalable,
        ScalingPolicy(aws, f"{aws.prefix}-cpu", scalable, "cpu", settings.target_cpu_percent),
        ScalingPolicy(
            aws, f"{aws.prefix}-requests", scalable, "requests",
            settings.target_requests_per_minute, balancer, targets,
        ),
        *by_the_clock.made, *every, Dashboard(aws, aws.prefix, widgets),
    )  # fmt: skip
    login = pipeline(aws, runtime.repository, api_key, own, (*shared.resources, *beside))

    def outputs(lives: Mapping[Resource, Live]) -> dict[str, str]:
        scheme = "https" if settings.https else "http"
        return {
            "service_url": f"{scheme}://{settings.domain or lives[balancer].facts['dns']}"
            if balancer in lives
            else "",
            "ecr_repository": runtime.repository.uri,
            "mlflow_tracking_uri_parameter": shared.tracking_uri.name,
            "api_key_secret": api_key.name,
        }

    rights = (*may_operate(aws), *may_release(runtime.repository, api_key))
    retired = (*by_the_clock.retired, *closed, *login.retired, *shared.budget.retired)
    return Stack("serving", shared.resources, (*own, *login.made), outputs, retired, rights)


def _doors(
    aws: Aws, balancer: LoadBalancer, targets: TargetGroup
) -> tuple[tuple[Resource, ...], tuple[Listener, ...], tuple[Listener, ...]]:
    """Return the service's names and their certificate; listeners; and retired ones of these.

    With a certificate the one for HTTP sends everybody to the one for HTTPS.
    """
    settings = aws.settings
    certificate: Resource | str | None = settings.certificate_arn
    name: tuple[Resource, ...] = (FormerNames(aws, aws.prefix, balancer),)
    if settings.domain and settings.hosted_zone_id:
        zone = HostedZone(aws, settings.hosted_zone_id, settings.domain)
        certificate = Certificate(aws, settings.domain, zone)
        name += zone, certificate, Record(aws, settings.domain, zone, certificate, balancer)
    http = Listener(aws, f"{aws.prefix}-80", balancer, 80, None if certificate else targets)
    https = Listener(aws, f"{aws.prefix}-443", balancer, 443, targets, certificate)
    return (name, (http, https), ()) if certificate else (name, (http,), (https,))


def _runtime(aws: Aws, shared: Shared, secrets: tuple[Secret, ...], api_keys: Parameter) -> Runtime:
    """Return what the service and its jobs run on and as."""
    settings = aws.settings
    repository = Repository(aws, aws.prefix)
    logs = LogGroup(aws, f"/{settings.project}/{settings.environment}/service", settings.log_days)
    ecs = "ecs-tasks.amazonaws.com"
    # That AWS names the account is documented for the role of a task alone.
    ours = trust(ecs, StringEquals={"aws:SourceAccount": aws.account})
    return Runtime(
        cluster=Cluster(aws, aws.prefix),
        repository=repository,
        logs=logs,
        task_role=Role(
            aws, f"{aws.prefix}-task", "What the service may do on AWS: nothing", ours, ()
        ),
        job_role=Role(
            aws, f"{aws.prefix}-job",
            "What a job may do on AWS: read the sales it is to load, and tell of itself",
            ours, (*_load_sales(aws), *_tell(aws, shared)),
        ),
        execution_role=Role(
            aws, f"{aws.prefix}-execution", "Lets ECS start tasks: image, logs, secrets",
            trust(ecs), _start_tasks(repository, logs, shared, secrets, api_keys),
        ),
        secrets={
            "DATABASE_CA": shared.database_ca,
            "MLFLOW_TRACKING_URI": shared.tracking_uri,
        },
    )  # fmt: skip


def _load_sales(aws: Aws) -> tuple[Document, ...]:
    bucket = f"arn:{aws.partition}:s3:::{bucket_name(aws)}"
    folders = [LOADS, STAGED] if aws.settings.delivery_layout else [LOADS]
    prefixes = [f"{folder}/*" for folder in folders]
    return (
        allow("s3:GetObject", [f"{bucket}/{prefix}" for prefix in prefixes]),
        allow("s3:ListBucket", bucket, Condition={"StringLike": {"s3:prefix": prefixes}}),
    )


def _tell(aws: Aws, shared: Shared) -> tuple[Document, ...]:
    ours = {"StringEquals": {"cloudwatch:namespace": namespace(aws)}}
    return (
        allow("sns:Publish", shared.topic.arn),
        allow("cloudwatch:PutMetricData", "*", Condition=ours),  # AWS knows no narrower one
    )


def _start_tasks(
    repository: Repository,
    logs: LogGroup,
    shared: Shared,
    secrets: tuple[Secret, ...],
    api_keys: Parameter,
) -> tuple[Document, ...]:
    return (
        allow("ecr:GetAuthorizationToken", "*"),  # AWS knows no narrower one
        allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            repository.arn,
        ),
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{logs.arn}:*"),
        allow(
            "secretsmanager:GetSecretValue",
            [
                secret.arn
                for secret in (
                    shared.database_url,
                    shared.service_database_url,
                    shared.mlflow_admin,
                    shared.mlflow_reader,
                    *secrets,
                )
            ],
        ),
        allow(
            "ssm:GetParameters",
            [shared.tracking_uri.arn, shared.database_ca.arn, api_keys.arn],
        ),
    )
