"""What one connection may send, how long it may take, and in which form: bytes in, bytes out."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable
from contextlib import ExitStack

import pytest

from sales_forecast.service import connection as limits
from sales_forecast.service.connection import Connection, most_connections
from sales_forecast.service.server import _Server
from tests.service.serving import AT_ONCE, REQUEST, answered, connect, everything, status

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
REFUSED = {
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "one length twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\nab",
    "a length with a sign": HEAD + b"Content-Length: +2\r\n\r\nab",
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\nab",
    "a length in hexadecimal": HEAD + b"Content-Length: 0x2\r\n\r\nab",
    "a huge length": HEAD + b"Content-Length: 99999999999999999999\r\n\r\nab",
    "a space before the colon": HEAD + b"Content-Length : 2\r\n\r\nab",
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
    "another coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding in a second line": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a chunk of 0x2": CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-2\r\nab\r\n0\r\n\r\n",
    "a huge chunk": CHUNKED + b"fffffffffffffffff\r\nab\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "chunks with bare line feeds": CHUNKED + b"2\nab\n0\n\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "one bare line feed": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a path that is none": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


async def later() -> None:
    """Wait until the loop's clock, which uvloop tells in milliseconds, shows another time."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    while loop.time() == now:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)


def parted(content: bytes) -> list[tuple[int, bytes]]:
    """Return status and body of answers that all have a length."""
    answers = []
    while content:
        head, _, rest = content.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        answers.append((int(head[9:12]), rest[:length]))
        content = rest[length:]
    return answers


def code_of(answer: tuple[int, bytes]) -> tuple[int, str]:
    number, body = answer
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "fields"}
    assert error["message"].endswith(".")
    return number, error["code"]


@pytest.fixture
def talk(run):
    """Return what sends parts one after the other on one connection, and reads all answers."""

    def talk(*parts: bytes, later: float = 0.0) -> list[tuple[int, bytes]]:
        async def step(server: _Server, listener: socket.socket) -> bytes:
            loop = asyncio.get_running_loop()
            with ExitStack() as stack:
                client = connect(listener, stack)
                reading = asyncio.create_task(everything(client))
                for part in parts:
                    await loop.sock_sendall(client, part)
                    for _ in range(20):
                        await asyncio.sleep(0)
                for connection in list(server.server_state.connections):
                    if later:
                        connection.look(loop.time() + later)
                content = await reading
                await server.shutdown([listener])
                return content

        return parted(run(step))

    return talk


def test_what_could_be_understood_in_two_ways_is_refused(run):
    async def step(server: _Server, listener: socket.socket) -> dict[str, bytes]:
        heard = {}
        with ExitStack() as stack:
            for name, form in REFUSED.items():
                client = connect(listener, stack)
                client.send(form + LAST)
                heard[name] = await everything(client)
        await server.shutdown([listener])
        return heard

    for name, heard in run(step).items():
        answers = [code_of(of) for of in parted(heard)]
        assert [(400, "bad_request")] == answers, f"{name}: nothing behind it is a request"


def test_a_refusal_comes_after_the_answers_to_what_was_asked_before(talk):
    first, second, refusal = talk(REQUEST + REQUEST + REFUSED["two hosts"] + LAST)

    assert [200, 200] == [first[0], second[0]]
    assert 400 == refusal[0]


def test_a_body_that_goes_wrong_is_refused_in_the_place_of_its_answer(talk):
    first, refusal = talk(REQUEST + CHUNKED + b"2\r\nab\r\n", b"x\r\n", LAST)

    assert (200, 400) == (first[0], refusal[0])


def test_trailers_are_no_headers(talk):
    ((_, said),) = talk(
        CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        + b"0\r\nX-API-Key: a\r\n\r\n"
    )

    assert b"hello / 0 host transfer-encoding connection" == said


def test_what_asks_for_another_protocol_is_answered_in_this_one(talk):
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    answers = talk(upgrade + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

    assert [200] == [number for number, _ in answers]


def test_head_and_body_of_an_answer_leave_together(run):
    def ask(address: tuple[str, int]) -> list[bytes]:
        with socket.create_connection(address) as client:
            return [client.send(REQUEST) and client.recv(4096) for _ in range(AT_ONCE)]

    async def step(server: _Server, listener: socket.socket) -> list[bytes]:
        heard = await asyncio.to_thread(ask, listener.getsockname())
        await server.shutdown([listener])
        return heard

    assert all(b"hello" in part for part in run(step)), "nothing is there without its body"


def test_who_waits_to_be_told_to_go_on_is(run):
    expecting = HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"

    async def step(server: _Server, listener: socket.socket) -> tuple[bytes, bytes]:
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            client = connect(listener, stack)
            await loop.sock_sendall(client, expecting)
            told = await loop.sock_recv(client, 4096)
            await loop.sock_sendall(client, b"ab")
            answer = await loop.sock_recv(client, 4096)
        await server.shutdown([listener])
        return told, answer

    told, answer = run(step)

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"hello / 2" in answer


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_answer_without_a_body_leaves(run, version):
    async def step(server: _Server, listener: socket.socket) -> bytes:
        with ExitStack() as stack:
            client = connect(listener, stack)
            client.send(REQUEST.replace(b"GET", b"HEAD").replace(b"1.1", version))
            heard = await status(client)
        await server.shutdown([listener])
        return heard

    assert run(step) == b"HTTP/1.1 200"


TOO_MUCH = b"a" * (20 * limits.MOST_HEAD_BYTES)


def in_parts(content: bytes, size: int = 4096) -> Iterable[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize(
    "begin",
    [b"GET / HTTP/1.1\r\na: ", CHUNKED + b"1\r\na\r\n0\r\na: ", CHUNKED + b"1;", b"GET /"],
    ids=["head", "trailers", "chunk", "path"],
)
def test_a_head_that_does_not_end_is_refused(talk, begin):
    (answer,) = talk(*in_parts(begin + TOO_MUCH))

    assert (431, "request_header_fields_too_large") == code_of(answer)


def test_a_long_body_is_none_the_less_read(talk):
    body = b"a" * 300_000
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in in_parts(body, 100))
    with_length = HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
    answers = talk(with_length + body + CHUNKED + chunks + b"0\r\n\r\n" + LAST)

    assert [200] * 3 == [number for number, _ in answers]
    assert [b"hello / 300000"] * 2 == [said[:14] for _, said in answers[:2]]


def test_many_requests_at_once_are_answered_one_after_the_other(talk):
    asked = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(5000))
    answers = talk(asked + LAST)

    paths = [said.split(b" ")[1] for _, said in answers]
    assert [*(b"/%d" % number for number in range(5000)), b"/last"] == paths


@pytest.mark.parametrize("path", [b"/", b"/" + b"a" * 900])
def test_of_a_connection_that_reads_nothing_little_is_kept(run, path):
    async def step(server: _Server, listener: socket.socket) -> tuple[int, int, int]:
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            client = connect(listener, stack)
            asked = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path * 1000
            sent = 0
            # As much as fits: the socket buffers of both sides have their share of it.
            while sent < 64 << 20:
                try:
                    async with asyncio.timeout(0.5):
                        await loop.sock_sendall(client, asked)
                except TimeoutError:
                    break
                sent += len(asked)
            (connection,) = server.server_state.connections
            assert isinstance(connection, Connection)
            kept = len(connection.pipeline), len(connection._held)
            waiting = connection.transport.get_write_buffer_size()
            connection.transport.abort()
            await server.shutdown([listener])
            return *kept, waiting

    pipelined, unparsed, unread = run(step)
    assert pipelined <= 1024 // len(REQUEST) + 1
    assert unparsed <= 256 << 10
    assert unread <= 128 << 10


def test_of_many_unfinished_bodies_the_longest_is_refused_and_the_others_are_answered(
    run, monkeypatch
):
    monkeypatch.setattr(limits, "MOST_BODY_BYTES", 100_000)
    sizes = [30_000, 45_000, 20_000, 10_000]
    held = [29_999, 74_998, 94_997, 59_997]

    async def step(server: _Server, listener: socket.socket) -> tuple[list[bytes], int]:
        loop = asyncio.get_running_loop()
        state = server.server_state
        with ExitStack() as stack:
            clients = [connect(listener, stack) for _ in sizes]
            for client, size, then in zip(clients, sizes, held, strict=True):
                await loop.sock_sendall(client, HEAD + b"Content-Length: %d\r\n\r\n" % size)
                await loop.sock_sendall(client, b"a" * (size - 1))
                while state.body_bytes != then:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            heard = [await everything(clients.pop(1))]
            for client in clients:
                await loop.sock_sendall(client, b"a")
                heard.append(await status(client))
            await server.shutdown([listener])
            return heard, state.body_bytes

    (refusal, *others), left = run(step)
    assert [(503, "too_many_bodies")] == [code_of(of) for of in parted(refusal)]
    assert [b"HTTP/1.1 200"] * 3 == others
    assert 0 == left


SILENT = b""
SECONDS = {
    "head": (b"GET / HTTP/1.1\r\nHos", limits.SECONDS_FOR_A_HEAD),
    "body": (HEAD + b"Content-Length: 2\r\n\r\na", limits.SECONDS_FOR_A_BODY),
    "chunks": (CHUNKED + b"1\r\na\r\n", limits.SECONDS_FOR_A_BODY),
}


@pytest.mark.parametrize("part", SECONDS)
def test_what_is_not_sent_in_time_is_told_so(talk, part):
    begin, seconds = SECONDS[part]
    (answer,) = talk(begin, later=seconds + 0.1)

    assert (408, "request_timeout") == code_of(answer)


def test_idle_connections_end_and_others_do_not(run):
    async def step(server: _Server, listener: socket.socket) -> list[int]:
        now = asyncio.get_running_loop().time()
        left = []
        with ExitStack() as stack:
            silent, asked, slow = (connect(listener, stack) for _ in range(3))
            await answered(asked)
            slow.send(b"GET ")
            await answered(connect(listener, stack))  # by then the others were read, too
            for later in (9, 74, 76):
                for connection in list(server.server_state.connections):
                    connection.look(now + later)
                for _ in range(10):
                    await asyncio.sleep(0)
                left.append(len(server.server_state.connections))
            closed = [await status(client) for client in (silent, asked)]
            assert [b"", b""] == closed
            await server.shutdown([listener])
        return left

    # The slow one is told at 74 that it is too slow; who does not hang up then is cut off.
    assert [4, 4, 0] == run(step)


def test_who_does_not_take_an_answer_is_cut_off(run):
    async def step(server: _Server, listener: socket.socket) -> list[int]:
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            client = connect(listener, stack)
            await answered(client)
            (connection,) = server.server_state.connections
            connection.transport.write(b"a" * (16 << 20))
            now, seen = loop.time(), []
            for later in (0, 29, 31):
                connection.look(now + later)
                await asyncio.sleep(0.01)
                seen.append(len(server.server_state.connections))
            connection.transport.abort()
            await server.shutdown([listener])
            return seen

    assert [1, 1, 0] == run(step)


def test_where_no_connection_is_left_the_oldest_idle_one_goes(run):
    async def step(server: _Server, listener: socket.socket) -> list[bytes]:
        server.server_state.most_connections = 3
        with ExitStack() as stack:
            oldest, older, asking = (connect(listener, stack) for _ in range(3))
            await answered(oldest)
            await later()
            await answered(older)
            asking.send(HEAD + b"Content-Length: 1\r\n\r\n")
            await answered(new := connect(listener, stack))
            asking.send(b"a")
            heard = [await status(client) for client in (oldest, asking)]
            await answered(older)
            await answered(new)
            await server.shutdown([listener])
            return heard

    assert [b"", b"HTTP/1.1 200"] == run(step)


def test_where_all_are_asking_the_new_one_is_told(run):
    async def step(server: _Server, listener: socket.socket) -> bytes:
        server.server_state.most_connections = 1
        with ExitStack() as stack:
            asking = connect(listener, stack)
            asking.send(HEAD + b"Content-Length: 1\r\n\r\n")
            while not any(of.answers for of in server.server_state.connections):  # noqa: ASYNC110
                await asyncio.sleep(0)
            heard = await everything(connect(listener, stack))
            asking.send(b"a")
            assert b"HTTP/1.1 200" == await status(asking)
            await server.shutdown([listener])
            return heard

    assert [(503, "too_many_connections")] == [code_of(of) for of in parted(run(step))]


@pytest.mark.parametrize(
    ("limit", "used", "fit"), [(1024, 40, 920), (64, 30, 18), (16, 14, 8), (1 << 20, 40, 1048472)]
)
def test_some_descriptors_are_left_to_databases_and_bundles(limit, used, fit):
    assert fit == most_connections(limit, used)
