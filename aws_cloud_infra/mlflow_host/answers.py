"""Whether MLflow answers, by what its host says of itself in its log. Only reads.

Nothing but the service reaches the host's port, so `setup.sh` asks there and writes a line.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from aws_cloud_infra.account.clients import read
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.engine.side_by_side import run

ANSWERS = "MLflow answers"
FAILED = "MLflow setup failed"
_SECONDS_BETWEEN_LOOKS = 10
_MOST_LOOKS = 120
"""Twenty minutes: the database is there already; what is left is to install and to start."""
_SECONDS_TO_SETTLE = 3600
"""A host that started longer ago is taken as it is: its log may be forgotten by now."""


def wait_for_answer(host: Resource, live: Live, logs: Resource, say: Callable[[str], None]) -> None:
    """Return when the host says that MLflow answers; `say` hears what it says meanwhile.

    Raises AwsRefused with a line of its log where its set-up fails, or after twenty minutes.
    """
    started = datetime.fromisoformat(live.facts["started"])
    if (datetime.now(UTC) - started).total_seconds() > _SECONDS_TO_SETTLE:
        return

    def look(_: Resource) -> None:
        line = ""
        for _look in range(_MOST_LOOKS):
            lines = _lines(host, live.id, logs.name, started)
            if any(ANSWERS in item for item in lines):
                return
            line = lines[-1] if lines else line
            if FAILED in line:
                break
            say(line or "its log is empty so far")
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        said = f'It says last: "{line}".' if line else "It has said nothing: has it a way out?"
        raise AwsRefused(
            f"{host} ({live.id}) runs, but MLflow does not answer. {said} The rest is in the log "
            f"group {logs.name}."
        )

    run({host: set()}, look)


def _lines(host: Resource, name: str, group: str, since: datetime) -> list[str]:
    """Return what the host has said of MLflow since it started, oldest first."""
    events = read(
        host.aws.pages, service="logs", operation="filter_log_events", key="events",
        logGroupName=group, logStreamNamePrefix=name, filterPattern='"MLflow"',
        startTime=int(since.timestamp() * 1000),
    )  # fmt: skip
    ordered = sorted(events or (), key=lambda event: event["timestamp"])
    return [event["message"].strip() for event in ordered]
