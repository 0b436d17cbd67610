"""What the emulator lacks: ECS that starts tasks, and a way from the load balancer to a service.

A server that stands before the emulator's ECS, and is the proxy to all the world for who asks by
HTTP_PROXY: there is only the deployed service in that world.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.aws.account import Account

_OF_ONE_HOP = {"connection", "content-encoding", "content-length", "transfer-encoding", "host"}


class World(ThreadingHTTPServer):
    """Tasks of every image are healthy, but for those in `sick`: these are rolled back."""

    def __init__(self, account: Account) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.account = account
        self.sick: set[str] = set()
        """Digests of images."""
        self.service_url = ""
        """Where what is deployed really runs."""
        self._healthy: dict[str, str] = {}

    def environment(self) -> dict[str, str]:
        """Return the variables with which any process lives in this world."""
        here = f"http://127.0.0.1:{self.server_port}"
        return {
            **self.account.environment(),
            "AWS_ENDPOINT_URL_ECS": here,
            "HTTP_PROXY": here,
            "NO_PROXY": "127.0.0.1",
        }

    def image_of(self, task_definition: str) -> str:
        ecs = self.account.session().client("ecs")
        found = ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
        return str(found["containerDefinitions"][0]["image"])

    def deploy(self, service: dict[str, Any]) -> None:
        """Tell of a service as ECS does when a deployment is over, well or not."""
        name, wanted = service["serviceName"], service["taskDefinition"]
        if self.image_of(wanted).rsplit("@", 1)[-1] not in self.sick:
            self._healthy[name] = wanted
        running = self._healthy[name]
        service["taskDefinition"] = running
        service["runningCount"] = service["desiredCount"]
        (deployment,) = service["deployments"]
        deployment.update(taskDefinition=running, rolloutState="COMPLETED")

    def told(self, operation: str, asked: bytes, status: int, answer: bytes) -> tuple[int, bytes]:
        """Return what a caller is told, instead of the emulator's status and answer."""
        del asked
        if operation != "DescribeServices":
            return status, answer
        told = json.loads(answer)
        for service in told.get("services", ()):
            self.deploy(service)
        return status, json.dumps(told).encode()


class _Handler(BaseHTTPRequestHandler):
    server: World

    def do_POST(self) -> None:
        proxied = self.path.startswith("http://")
        url = self.path if proxied else f"{self.server.account.url}{self.path}"
        if proxied:
            to = httpx.URL(self.path)
            assert to.host.endswith(".elb.amazonaws.com"), to
            url = f"{self.server.service_url}{to.path}"
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = httpx.request(
            self.command, url, timeout=60, trust_env=False, content=asked,
            headers={k: v for k, v in self.headers.items() if k.lower() not in _OF_ONE_HOP},
        )  # fmt: skip
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        status, content = self.server.told(operation, asked, answer.status_code, answer.content)
        self.send_response(status)
        for name, value in answer.headers.items():
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST  # noqa: N815 - their names there

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def docker_in(folder: Path) -> dict[str, str]:
    """Return the variables with which `docker` is the stand-in, whose files are in a folder."""
    folder.mkdir()
    docker = folder / "docker"
    stand_in = Path(__file__).with_name("docker_stand_in.py")
    docker.write_text(f'#!/bin/sh\nexec {sys.executable} {stand_in} "$@"\n')
    docker.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "DOCKER_STATE": str(folder)}


@contextmanager
def world(account: Account) -> Iterator[World]:
    server = World(account)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
