"""Half a gigabyte is enough for a service, whatever callers without a key send it.

Where this machine lets one make a group of processes with a limit (Linux, root), the service runs
in such a one and would be killed beyond it; everywhere on Linux the most that its processes ever
held, as the system counted it, is added up. `-rP` shows the figures.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.service.test_in_the_open import GET, address_in, send_as_much_as_is_taken
from tests.service.test_ledger_under_fire import workers_of
from tests.service.test_server import TIMEOUT, eventually, resident_megabytes, url_in

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells of its processes")

MEGABYTES = 512
AT_ONCE = 10
MEGABYTES_KEPT = 20
GROUPS = {"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"}
"""Where groups are made -> the file of their limit: of the older kind, and of the newer one."""
HEAD = GET.removesuffix(b"\r\n")
CHUNKED = b"POST /predict_sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
HEADERS = b"".join(b"X-%d: aaaaaaaa\r\n" % number for number in range(5000))
ATTACKS: Mapping[str, tuple[bytes, bytes, int]] = {
    "refusals nobody reads": (b"", GET % b"/model" * 500, 30 << 20),
    "documents nobody reads": (b"", GET % b"/openapi.json" * 500, 30 << 20),
    "headers without end": (HEAD % b"/health", HEADERS, 50 << 20),
    "trailers without end": (CHUNKED, HEADERS, 50 << 20),
    "one huge header": (HEAD % b"/health" + b"X: ", b"a" * (1 << 20), 200 << 20),
    "a huge path": (b"GET /", b"a" * (1 << 20), 200 << 20),
    "a body without end": (
        CHUNKED.removesuffix(b"0\r\n"),
        b"100000\r\n" + b"a" * (1 << 20) + b"\r\n",
        1 << 30,
    ),
}
"""What a connection begins with, what it goes on with, and up to how many bytes."""


@contextmanager
def limited(megabytes: int) -> Iterator[tuple[str, ...]]:
    """Give the beginning of a command that may take so much memory; none where nobody may say."""
    for folder, limit in GROUPS.items():
        group = Path(folder) / "sales-forecast-test"
        try:
            group.mkdir()
            (group / limit).write_text(str(megabytes << 20))
        except OSError:
            group.rmdir() if group.is_dir() else None
            continue
        try:
            yield "bash", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")
        finally:
            # Workers end a moment after their supervisor.
            eventually(partial(is_empty, group))
            group.rmdir()
        return
    yield ()


def is_empty(group: Path) -> bool:
    """Whether no process of a control group is left."""
    return not (group / "cgroup.procs").read_text()


def peak_megabytes(pid: int) -> float:
    """The most that a process ever held."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


@pytest.mark.parametrize("workers", ["1", "2"])
def test_half_a_gigabyte_is_enough_whatever_callers_without_a_key_send(deployment, workers, capfd):
    deployment.load()
    deployment.publish("")
    settings = {"API_KEY": "secret", "ACCESS_LOG": "false", "WORKERS": workers}
    with limited(MEGABYTES) as begin, deployment.served(*begin, **settings) as (process, line):
        eventually(lambda: httpx.get(f"{url_in(line)}/ready").is_success)
        httpx.get(f"{url_in(line)}/openapi.json")
        answering = workers_of(process) or [process.pid]
        running = [process.pid, *workers_of(process)]

        said: list[str] = []

        def each_has_its_model() -> bool:
            said.append(capfd.readouterr().err)
            sizes = [resident_megabytes(of) for of in answering]
            serving = "".join(said).count("Serving model") == len(answering)
            return serving and min(sizes) > 0.9 * max(sizes)

        eventually(each_has_its_model)
        before = sum(map(resident_megabytes, running))
        for name, (first, block, most) in ATTACKS.items():
            with ExitStack() as clients, ThreadPoolExecutor(AT_ONCE) as sending:
                attack = partial(send_as_much_as_is_taken, address_in(line), block, most, first)
                begun = [sending.submit(attack) for _ in range(AT_ONCE)]
                for of in begun:
                    clients.enter_context(of.result())
                assert httpx.get(f"{url_in(line)}/health", timeout=TIMEOUT).is_success, name
            now, peak = (sum(map(of, running)) for of in (resident_megabytes, peak_megabytes))
            sys.stdout.write(f"{name}: {now:.0f} MB, at most {peak:.0f} MB\n")
        assert [process.pid, *workers_of(process)] == running, "none was killed"
        eventually(lambda: sum(map(resident_megabytes, running)) < before + MEGABYTES_KEPT)
        after = sum(map(resident_megabytes, running))
        limit = "killed beyond it" if begin else "no group of processes can be made here"
        sys.stdout.write(
            f"{workers} worker(s), {MEGABYTES} MB ({limit}), {AT_ONCE} connections an attack:"
            f" {before:.0f} MB before, at most {peak:.0f} MB, {after:.0f} MB afterwards\n"
        )
        process.terminate()
        assert 0 == process.wait(TIMEOUT)
    printed, rest = capfd.readouterr()
    sys.stdout.write(printed)
    assert "Traceback" not in "".join((*said, rest)), "callers who hang up are no errors"
    assert peak < MEGABYTES
