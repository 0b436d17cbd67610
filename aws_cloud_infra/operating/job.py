"""A job of the service, run once and followed to its end.

Takes a schedule, which knows what the job is started as and where, gives its exit code; prints
what the job logs. Changes nothing of a stack.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from aws_cloud_infra.account.errors import InfraError, is_missing
from aws_cloud_infra.resources.containers.schedule import Schedule
from aws_cloud_infra.resources.containers.task_definition import CONTAINER
from aws_cloud_infra.resources.watching.log_group import LogGroup

_SECONDS_BETWEEN_LOOKS = 3.0


class NotDone(InfraError):
    """A job that could not be started, or that failed."""

    code = "job_failed"


def run(schedule: Schedule, logs: LogGroup, command: Sequence[str]) -> None:
    """Start a command as the job of a schedule is, print what it logs, return when it is over.

    Ctrl-C leaves it running. Raises NotDone.
    """
    arn = _started(schedule, command)
    stream = f"{schedule.task.name}/{CONTAINER}/{arn.rsplit('/', 1)[-1]}"
    print(f"started {arn}")
    token: str | None = None
    while True:
        task = _described(schedule, arn)  # before the log: what it said last is read after it ended
        token = _print_log(schedule, logs.name, stream, token)
        if task["lastStatus"] == "STOPPED":
            break
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    code = next((of.get("exitCode") for of in task.get("containers", ())), None)
    if code is None:
        said = task.get("stoppedReason") or "AWS does not say why"
        raise NotDone(f"The job did not run: {said}.")
    if code:
        raise NotDone(f"The job failed (exit code {code}): what it printed says why.")


def _started(schedule: Schedule, command: Sequence[str]) -> str:
    live = schedule.find()
    if live is None:
        raise NotDone(f"There is no {schedule} yet. Run `infra.py apply` first.")
    how = live.settings
    override = {"name": CONTAINER, "command": list(command)}
    try:
        answer = schedule.aws.client("ecs").run_task(
            cluster=how["cluster"],
            taskDefinition=how["task"],
            launchType=how["launch_type"],
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": how["subnets"],
                    "securityGroups": how["security_groups"],
                    "assignPublicIp": how["public_address"],
                }
            },
            overrides={"containerOverrides": [override]},
            startedBy="infra.py",
        )
    except ClientError as error:
        if not is_missing(error) and "TaskDefinition" not in str(error):
            raise
        raise NotDone(
            f"There is no image of the jobs yet, or it was not deployed: run `infra.py release`. "
            f"({error.response['Error']['Message']})"
        ) from error
    if answer["failures"]:
        raise NotDone(f"AWS does not start the job: {answer['failures'][0].get('reason')}.")
    return str(answer["tasks"][0]["taskArn"])


def _described(schedule: Schedule, arn: str) -> dict[str, Any]:
    answer = schedule.aws.client("ecs").describe_tasks(cluster=schedule.cluster.name, tasks=[arn])
    if not answer["tasks"]:
        raise NotDone(f"AWS knows nothing of {arn} any more: its log says how it ended.")
    task: dict[str, Any] = answer["tasks"][0]
    return task


def _print_log(schedule: Schedule, group: str, stream: str, token: str | None) -> str | None:
    """Print what a stream has since the last time; return where to go on."""
    after = {"nextToken": token} if token else {}
    while True:
        try:
            answer = schedule.aws.client("logs").get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=True, **after
            )
        except ClientError as error:
            if is_missing(error):  # it has said nothing yet
                return token
            raise
        for event in answer["events"]:
            print(event["message"])
        if answer["nextForwardToken"] == token or not answer["events"]:
            return str(answer["nextForwardToken"])
        token = answer["nextForwardToken"]
        after = {"nextToken": token}
