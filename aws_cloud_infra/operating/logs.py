"""What the service, its jobs and MLflow's host said lately. Takes a log group, prints lines."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from aws_cloud_infra.operating.job import NotDone
from aws_cloud_infra.resources.watching.log_group import LogGroup


def show(group: LogGroup, stream_prefix: str, minutes: int) -> None:
    """Print what streams of a group said in the last minutes. Raises NotDone without a group."""
    if group.find() is None:
        raise NotDone(f"There is no {group} yet. Run `apply` first.")
    since = int((time.time() - 60 * minutes) * 1000)
    asked = {"logGroupName": group.name, "startTime": since}
    if stream_prefix:
        asked["logStreamNamePrefix"] = stream_prefix
    events = group.aws.pages("logs", "filter_log_events", "events", **asked)
    for event in events:
        when = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        print(f"{when:%Y-%m-%d %H:%M:%S} {event['message']}")
    if not events:
        print(f"Nothing in the last {minutes} minutes.")
