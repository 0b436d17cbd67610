"""What the MLflow host would say in its log: nobody starts it on an emulated account."""

from __future__ import annotations

import time

from tests.aws.account import Account

GROUP = "/sales-forecast/production/mlflow"
SOON = 3_600


def says(account: Account, *lines: str, stream: str = "i-1/setup", later: float = 0) -> None:
    """Let the host say lines, in some seconds; the group is ours."""
    logs = account.session().client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
        logs.create_log_group(logGroupName=GROUP, tags=account.aws().tags)
    found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=stream)["logStreams"]
    if not found:
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    now = int(1000 * (time.time() + later))
    events = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def will_answer(account: Account) -> None:
    """Let any host answer that is started within the hour."""
    says(account, "MLflow answers", later=SOON)
