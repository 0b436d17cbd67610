"""Fargate, where the emulator has none: a task is a process here, and what it prints is its log.

It runs the command that the task definition or the caller names, with this environment's Python,
in the project's folder, with the settings of `settings` in place of the task's secrets.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.aws.account import Account
from tests.pipeline.deployed_world import World

ROOT = Path(__file__).parents[2]
_SESSION = {"SessionId": "one", "TokenValue": "secret", "StreamUrl": "wss://somewhere"}


class Fargate(World):
    """Tasks that really run, one at a time; those of `broken` never start."""

    def __init__(self, account: Account, settings: dict[str, str]) -> None:
        super().__init__(account)
        self.settings = settings
        self.broken = ""
        """Why no task starts, as AWS says it."""
        self.commands: list[list[str]] = []
        self._exit_codes: dict[str, int] = {}

    def told(self, operation: str, asked: bytes, status: int, answer: bytes) -> tuple[int, bytes]:
        """See `World.told`. The emulator knows no sessions of Session Manager."""
        if operation == "StartSession":
            return 200, json.dumps(_SESSION).encode()
        if operation not in {"RunTask", "DescribeTasks"}:
            return super().told(operation, asked, status, answer)
        content = json.loads(answer)
        if operation == "RunTask" and content.get("tasks") and not self.broken:
            (task,) = content["tasks"]
            self._run(task, json.loads(asked))
        if operation == "DescribeTasks":
            for task in content["tasks"]:
                self._ended(task)
        return status, json.dumps(content).encode()

    def _run(self, task: dict[str, Any], asked: dict[str, Any]) -> None:
        session = self.account.session()
        definition = session.client("ecs").describe_task_definition(
            taskDefinition=task["taskDefinitionArn"]
        )["taskDefinition"]
        (container,) = definition["containerDefinitions"]
        overrides = asked["overrides"]["containerOverrides"]
        command = overrides[0]["command"] if overrides else container["command"]
        self.commands.append(command)
        done = subprocess.run(
            [sys.executable, *command[1:]],
            cwd=ROOT, env={**self.account.environment(), **self.settings},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        options = container["logConfiguration"]["options"]
        name = task["taskArn"].rsplit("/", 1)[-1]
        stream = f"{options['awslogs-stream-prefix']}/{container['name']}/{name}"
        where = {"logGroupName": options["awslogs-group"], "logStreamName": stream}
        logs = session.client("logs")
        logs.create_log_stream(**where)
        now = int(time.time() * 1000)
        lines = [{"timestamp": now, "message": line} for line in done.stdout.splitlines()]
        logs.put_log_events(**where, logEvents=lines)
        self._exit_codes[task["taskArn"]] = done.returncode

    def _ended(self, task: dict[str, Any]) -> None:
        task["lastStatus"] = "STOPPED"
        if self.broken:
            task["stoppedReason"] = self.broken
            task["containers"] = [{"name": "app"}]
        else:
            task["containers"] = [{"name": "app", "exitCode": self._exit_codes[task["taskArn"]]}]
