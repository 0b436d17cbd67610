"""MLflow in the browser of this machine, through Session Manager: nothing listens to the world.

Takes the host, gives the exit code of the tunnel. Needs AWS's plugin for sessions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from aws_cloud_infra.operating.job import NotDone
from aws_cloud_infra.resources.machines.instance import Instance

_PLUGIN = "session-manager-plugin"
_DOCUMENT = "AWS-StartPortForwardingSession"
_HANDED_OVER = "AWS_SSM_START_SESSION_RESPONSE"
"""The variable that the plugin reads: its command line would show the session's token to all."""


def open_port(host: Instance, port: int) -> int:
    """Make a port of a host the same port of this machine, until Ctrl-C. Raises NotDone."""
    plugin = shutil.which(_PLUGIN)
    if plugin is None:
        raise NotDone(
            f"There is no `{_PLUGIN}` here (1.2.536 or newer): install AWS's Session Manager "
            "plugin, and run it again."
        )
    live = host.find()
    if live is None:
        raise NotDone(f"There is no {host} yet. Run `mlflow_infra.py apply` first.")
    ssm = host.aws.client("ssm")
    asked = {
        "Target": live.id,
        "DocumentName": _DOCUMENT,
        "Parameters": {"portNumber": [str(port)], "localPortNumber": [str(port)]},
    }
    answer = ssm.start_session(**asked)
    session = {name: answer[name] for name in ("SessionId", "TokenValue", "StreamUrl")}
    print(f"http://localhost:{port} is {host}, until Ctrl-C.", flush=True)
    words = [plugin, _HANDED_OVER, host.aws.region, "StartSession", "", json.dumps(asked)]
    done = subprocess.run(  # noqa: S603
        [*words, ssm.meta.endpoint_url],
        env={**os.environ, _HANDED_OVER: json.dumps(session)},
        check=False,
    )
    return done.returncode
