"""What a server does with connections that are idle, and when it stops, one moment at a time."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import ExitStack

from aws_cloud_infra.engine.resource import Ids, Resource
from aws_cloud_infra.resources.containers.task_definition import STOP_SECONDS
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer
from aws_cloud_infra.resources.front.target_group import TargetGroup
from aws_cloud_infra.stacks import both
from sales_forecast.data.ledger import ledger
from sales_forecast.service import server as served
from sales_forecast.service.connection import SECONDS_FOR_AN_IDLE_CONNECTION
from sales_forecast.service.server import _config, _Server, _Worker
from tests.aws.things import AWS
from tests.service.serving import AT_ONCE, REQUEST, answered, connect, hello, status

SECONDS_TO_END_A_PROCESS = 5


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


def test_who_hangs_up_while_it_is_waited_for_leaves_no_trace(run, caplog):
    async def step(server: _Server, listener: socket.socket) -> None:
        with ExitStack() as stack:
            client = connect(listener, stack)
            stopping = asyncio.create_task(server.shutdown([listener]))
            while listener.fileno() >= 0:  # noqa: ASYNC110 - until nobody is let in any more
                await asyncio.sleep(0)
            client.close()
            await stopping
            await asyncio.sleep(2 * served._SECONDS_TO_LOOK_AGAIN)

    run(step)
    assert [] == [of.getMessage() for of in caplog.records]


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


def test_an_idle_connection_is_kept_longer_than_the_load_balancer_keeps_it():
    kept = attribute(LoadBalancer, "idle_timeout.timeout_seconds")
    assert kept + 10 < SECONDS_FOR_AN_IDLE_CONNECTION


def test_whoever_waits_for_a_stopping_service_waits_long_enough():
    answers = served.SECONDS_FOR_OPEN_REQUESTS
    draining = attribute(TargetGroup, "deregistration_delay.timeout_seconds")
    stops = served._SECONDS_FOR_WAITING_CONNECTIONS + answers + SECONDS_TO_END_A_PROCESS

    assert answers < draining, "the load balancer would cut off what is still answered"
    assert stops < STOP_SECONDS, "ECS would kill what still answers"
    moves = served._SECONDS_FOR_WAITING_CONNECTIONS + answers + ledger._SECONDS_TO_STOP + 1
    assert moves < STOP_SECONDS, "ECS would kill what moves the last rows of the ledger"
    waits = served._SECONDS_FOR_A_WORKER_TO_STOP
    assert moves < waits < STOP_SECONDS, "a supervisor kills who moves rows, or ECS kills it"


def application() -> object:
    return hello


def test_a_worker_that_something_holds_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(served, "_SECONDS_FOR_A_WORKER_TO_STOP", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = _Worker(_config(application, 2), [listener])
        worker.start()
        assert worker.wait_until_ready(30)
        os.kill(worker.pid, signal.SIGSTOP)
        worker.terminate()
        worker.join()
    assert -signal.SIGKILL == worker.exitcode
