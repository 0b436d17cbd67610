"""What a server does with connections that are idle, and when it stops, one moment at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import pytest

from aws_cloud_infra.engine.resource import Ids, Resource
from aws_cloud_infra.resources.containers.task_definition import STOP_SECONDS
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer
from aws_cloud_infra.resources.front.target_group import TargetGroup
from aws_cloud_infra.stacks import both
from sales_forecast.data import ledger
from sales_forecast.service import server as served
from sales_forecast.service.server import _config, _Server
from tests.aws.things import AWS

SECONDS_TO_END_A_PROCESS = 5
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
AT_ONCE = 50
Step = Callable[[_Server, socket.socket], Awaitable[Any]]


async def hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Step], Any]:
    """Return what starts a server and does one step, which must stop it."""
    pytest.importorskip(request.param, reason="there is no uvloop for Windows")
    config = _config(lambda: hello)
    config.loop = request.param

    async def go(step: Step) -> Any:
        with socket.create_server(("127.0.0.1", 0), backlog=AT_ONCE) as listener:
            config.load()
            server = _Server(config)
            server.lifespan = config.lifespan_class(config)
            await server.startup([listener])
            async with asyncio.timeout(30):
                return await step(server, listener)

    def run(step: Step) -> Any:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            return runner.run(go(step))

    return run


def connect(listener: socket.socket, clients: ExitStack) -> socket.socket:
    client = clients.enter_context(socket.create_connection(listener.getsockname()))
    client.setblocking(False)
    return client


async def answered(client: socket.socket) -> None:
    """Ask, and read the whole answer."""
    client.send(REQUEST)
    while b"hello" not in await asyncio.get_running_loop().sock_recv(client, 4096):
        pass


async def status(client: socket.socket) -> bytes:
    """Return the beginning of the answer; nothing if the server hung up."""
    try:
        return await asyncio.get_running_loop().sock_recv(client, 12)
    except ConnectionError:
        return b""


def test_connections_that_nobody_has_taken_yet_are_answered(run):
    async def step(server: _Server, listener: socket.socket) -> list[bytes]:
        with ExitStack() as stack:
            clients = [connect(listener, stack) for _ in range(AT_ONCE)]
            for client in clients:
                client.send(REQUEST)
            await server.shutdown([listener])  # before the loop has looked at the listener
            return [await status(client) for client in clients]

    assert [b"HTTP/1.1 200"] * AT_ONCE == run(step)


def test_a_second_request_that_nobody_has_read_yet_is_answered(run):
    async def step(server: _Server, listener: socket.socket) -> list[bytes]:
        with ExitStack() as stack:
            clients = [connect(listener, stack) for _ in range(AT_ONCE)]
            for client in clients:
                await answered(client)
            for client in clients:
                client.send(REQUEST)
            await server.shutdown([listener])
            return [await status(client) for client in clients]

    assert [b"HTTP/1.1 200"] * AT_ONCE == run(step)


def test_who_has_connected_may_still_ask_but_is_not_waited_for_long(run):
    async def step(server: _Server, listener: socket.socket) -> list[bytes]:
        with ExitStack() as stack:
            asking, silent = connect(listener, stack), connect(listener, stack)
            stopping = asyncio.create_task(server.shutdown([listener]))
            while listener.fileno() >= 0:  # noqa: ASYNC110 - until nobody is let in any more
                await asyncio.sleep(0)
            asking.send(REQUEST)
            answers = [await status(client) for client in (asking, silent)]
            await stopping
            return answers

    assert [b"HTTP/1.1 200", b""] == run(step)


def test_an_idle_connection_is_closed_at_once(run):
    async def step(server: _Server, listener: socket.socket) -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            client = connect(listener, stack)
            await answered(client)
            begin = loop.time()
            await server.shutdown([listener])
            return await status(client), loop.time() - begin

    answer, seconds = run(step)
    assert answer == b""
    assert seconds < 1


def attribute(kind: type[Resource], name: str) -> int:
    """Return a number that AWS is told of the one resource of a kind in the serving stack."""
    (resource,) = (item for item in both(AWS)[0].own if isinstance(item, kind))
    return int(resource.desired(Ids())["attributes"][name])


def test_an_idle_connection_is_kept_longer_than_the_load_balancer_keeps_it(run):
    async def step(server: _Server, listener: socket.socket) -> float:
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            client = connect(listener, stack)
            await answered(client)
            (connection,) = server.server_state.connections
            kept = connection.timeout_keep_alive_task.when() - loop.time()
            await server.shutdown([listener])
            return kept

    assert run(step) > attribute(LoadBalancer, "idle_timeout.timeout_seconds") + 10


def test_whoever_waits_for_a_stopping_service_waits_long_enough():
    answers = served.SECONDS_FOR_OPEN_REQUESTS
    draining = attribute(TargetGroup, "deregistration_delay.timeout_seconds")
    stops = served._SECONDS_FOR_WAITING_CONNECTIONS + answers + SECONDS_TO_END_A_PROCESS

    assert answers < draining, "the load balancer would cut off what is still answered"
    assert stops < STOP_SECONDS, "ECS would kill what still answers"
    moves = served._SECONDS_FOR_WAITING_CONNECTIONS + answers + ledger._SECONDS_TO_STOP + 1
    assert moves < STOP_SECONDS, "ECS would kill what moves the last rows of the ledger"
