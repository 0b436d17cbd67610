"""What people may do with stacks that stand, beside what the verbs of both scripts need.

Takes the account at hand, gives statements of a policy: for `load`, `train`, `forecast`, `monitor`,
`logs`, `open`.
"""

from __future__ import annotations

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import Document, allow
from aws_cloud_infra.stacks.shared import LOADS, RAW, bucket_name


def may_operate(aws: Aws) -> tuple[Document, ...]:
    """Return what is needed to start jobs, to hand them files, to read logs and to open MLflow."""
    cluster = aws.arn("ecs", f"cluster/{aws.prefix}")
    ours = {f"aws:ResourceTag/{name}": aws.tags[name] for name in ("Project", "Environment")}
    logs = aws.arn("logs", f"log-group:/{aws.settings.project}/{aws.settings.environment}/*")
    # The document is AWS's own: it carries no tags, and belongs to no account.
    forwarding = f"arn:{aws.partition}:ssm:{aws.region}::document/AWS-StartPortForwardingSession"
    bucket = f"arn:{aws.partition}:s3:::{bucket_name(aws)}"
    folders = [LOADS, RAW] if aws.settings.delivery_layout else [LOADS]
    return (
        allow(
            "ecs:RunTask",
            aws.arn("ecs", f"task-definition/{aws.prefix}-*"),
            Condition={"ArnEquals": {"ecs:cluster": cluster}},
        ),
        allow("ecs:DescribeTasks", aws.arn("ecs", f"task/{aws.prefix}/*")),
        allow(["logs:FilterLogEvents", "logs:GetLogEvents"], logs),
        allow("s3:PutObject", [f"{bucket}/{folder}/*" for folder in folders]),
        allow(
            "ssm:StartSession",
            aws.arn("ec2", "instance/*"),
            Condition={"StringEquals": ours},
        ),
        allow("ssm:StartSession", forwarding),
    )
