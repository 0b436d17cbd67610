"""A machine that becomes the MLflow host: the real set-up script in a scratch folder as its root.

What is not on this machine is stood in for: the commands of Amazon Linux.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from email import message_from_string
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aws_cloud_infra.mlflow_host import user_data
from aws_cloud_infra.mlflow_host.lock import LOCK

ENVIRONMENT = Path(sys.prefix)
BUCKET, DATABASE, SECRETS = "artifacts", "sales-forecast-production", "sales-forecast-production"
AUTHORITIES = "/sales-forecast/production/database-ca"
NAME = "mlflow.sales-forecast-production.internal"


def composed(**changes: Any) -> str:
    names = {
        "region": "eu-central-1",
        "bucket": BUCKET,
        "database": DATABASE,
        "secrets": SECRETS,
        "authorities": AUTHORITIES,
        "host_name": NAME,
    }
    return user_data(**{**names, "log_group": "/sales-forecast/production/mlflow", **changes})


def parts(text: str) -> dict[str, str]:
    """Return the parts of user data by their type, as cloud-init takes them apart."""
    message = message_from_string(text)
    assert message.is_multipart()
    assert [] == message.defects
    return {
        part.get_content_type(): part.get_payload(decode=True).decode()
        for part in message.get_payload()
    }


STAND_INS = {
    "rpm": """case $1 in
        -qa) ls "$STATE" ;;
        *) [ -e "$STATE/packages" ] ;;
    esac""",
    "dnf": """case $1 in
        upgrade) [ ! -e "$STATE/newer" ] || touch "$STATE/upgraded" ;;
        *) [ ! -e "$STATE/no-network" ] && touch "$STATE/packages" ;;
    esac""",
    "id": '[ -e "$STATE/user" ]',
    "useradd": 'touch "$STATE/user"',
    "python3.11": 'mkdir -p "$3/bin" && cp "$STATE/python" "$3/bin"',
    "curl": """case $* in
        *truststore.pki.rds*) [ -e "$STATE/authorities" ] && cp "$STATE/authorities" "$5" ;;
        *) [ -e "$STATE/mlflow" ] ;;
    esac""",
    "amazon-cloudwatch-agent-ctl": 'touch "$STATE/amazon-cloudwatch-agent"',
    "systemctl": """case $1 in
        is-active) [ -e "$STATE/$3" ] ;;
        start) touch "$STATE/$2" ;;
        restart) [ ! -e "$STATE/broken" ] && touch "$STATE/$2" ;;
    esac""",
}
"""Commands of another machine; each also writes down that it was called."""


@dataclass
class Machine:
    """A scratch folder in place of the host's root."""

    root: Path
    pip: str = 'echo "pip ${*:3}" >>"$CALLS"; [ ! -e "$STATE/no-index" ]'
    """What stands in for the environment's Python, to be quick, where it is not the point."""

    def __post_init__(self) -> None:
        """AWS says who signs, and MLflow answers."""
        self.state.mkdir(parents=True)
        (self.state / "authorities").write_text("who signs\n")

    @property
    def state(self) -> Path:
        return self.root / "state"

    def set_up(self, **changes: Any) -> tuple[list[str], subprocess.CompletedProcess[str]]:
        """Run the script as cloud-init does; return the stand-ins' calls and how it ended."""
        commands, calls = self.root / "commands", self.root / "calls"
        commands.mkdir(parents=True, exist_ok=True)
        calls.write_text("")
        told = 'echo "${0##*/} $*" >>"$CALLS"'
        for command, does in (
            *((commands / name, f"{told}\n{does}") for name, does in STAND_INS.items()),
            (self.state / "python", self.pip),
        ):
            command.write_text(f"#!/bin/bash\n{does}\n")
            command.chmod(0o755)
        lock = self._lock_here() if self.pip == REAL else LOCK
        script = self.root / "script"
        script.write_text(parts(composed(**{"lock": lock, **changes}))["text/x-shellscript"])
        done = subprocess.run(
            ["bash", script],
            env={
                **self._paths, "CALLS": str(calls),
                "ROOT": str(self.root), "PAUSE": "0", "PIP_NO_INDEX": "1",
                "PIP_ROOT_USER_ACTION": "ignore",
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return calls.read_text().splitlines(), done

    def _lock_here(self) -> Path:
        """Return the lock; where this is not the host's Python, with the versions for this one."""
        if sys.version_info[:2] == (3, 11):
            return LOCK
        lines = [line.partition(" ") for line in LOCK.read_text().splitlines()]
        names = [(pin.partition("==")[0], digest) for pin, _, digest in lines]
        here = self.state / "lock.txt"
        here.write_text("".join(f"{name}=={version(name)} {digest}\n" for name, digest in names))
        return here

    def run(self, *command: str) -> list[str]:
        """Run a command of the machine once it is set up; return the stand-ins' calls."""
        calls = self.root / "calls"
        calls.write_text("")
        subprocess.run(
            command, env={**self._paths, "CALLS": str(calls)}, check=True, capture_output=True
        )
        return calls.read_text().splitlines()

    @property
    def _paths(self) -> dict[str, str]:
        commands = self.root / "commands"
        return {"PATH": f"{commands}:{os.environ['PATH']}", "STATE": str(self.state)}

    @property
    def unit(self) -> Path:
        return self.root / "etc/systemd/system/mlflow.service"

    def of_unit(self, key: str) -> str:
        (found,) = re.findall(rf"^{key}=(.*)$", self.unit.read_text(), re.MULTILINE)
        return found

    def files(self) -> dict[str, tuple[int, str]]:
        """Return the text of all files of the host, and when they were written."""
        return {
            str(path.relative_to(self.root)): (path.stat().st_mtime_ns, path.read_text())
            for folder in ("opt", "etc", "var")
            for path in (self.root / folder).rglob("*")
            if path.is_file() and "venv" not in path.parts
        }


REAL = f'exec {ENVIRONMENT}/bin/python "$@"'
"""This environment, which has all that the host needs: pip finds nothing to do."""
