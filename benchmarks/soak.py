"""Whether memory stays where it is while a service answers for a long time.

    python -m benchmarks.soak                # ten minutes
    python -m benchmarks.soak --seconds 60

Loads and trains as `benchmarks.serving` does, with its ledger and access log on, and asks both
endpoints in turn over 16 connections, with varied bodies; connections come and go. After each round
of that, questions are asked that must be refused. What the process holds is noted after each round.
A quarter of the rounds is a window, of which the median counts: the first window is for whatever is
filled once, and the last must not be more than 3% above the second. Exits 1 where it is, where an
answer is missing or is none, and where the system does not tell what a process holds. The numbers
are of this machine, the ratio is the result.
"""

from __future__ import annotations

import argparse
import http.client
import subprocess
import sys
import time
from contextlib import closing
from statistics import median

from benchmarks.questions import ENDPOINTS, write_questions
from benchmarks.serving import HOST, PATIENCE_SECONDS, ROOT, Server, Workspace, resident_megabytes

MOST_GROWTH = 0.03
_ROUNDS = 40
_QUARTER = _ROUNDS // 4
_REFUSED = (
    ("POST", ENDPOINTS[0], b"{"),
    ("POST", ENDPOINTS[0], b"{}"),
    ("POST", ENDPOINTS[1], b'{"store_id": 1, "steps": 1000000}'),
    ("POST", ENDPOINTS[1], b'{"store_id": "nobody", "steps": 1}'),
    ("POST", ENDPOINTS[1], b" " * 2_000_000),
    ("GET", "/nowhere", b""),
    ("PUT", ENDPOINTS[0], b""),
)
"""Method, path and body of what no answer is given to."""
_TIMES = 10


def refusals(server: Server) -> int:
    """Ask what must be refused; return how often. Raises OSError where it is not."""
    for method, path, body in _REFUSED * _TIMES:
        with closing(http.client.HTTPConnection(HOST, server.port, PATIENCE_SECONDS)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            answer.read()
        if answer.status // 100 != 4:
            raise OSError(f"{method} {path} with {body[:40]!r} was answered {answer.status}")
    return len(_REFUSED) * _TIMES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="altogether")
    chosen = parser.parse_args()
    folder = ROOT / "var" / "benchmark" / "stores"
    workspace = Workspace(folder, f"sqlite:///{folder}/sales.db")
    workspace.prepare([])
    bodies = write_questions(workspace.database_url, folder)
    each = chosen.seconds / _ROUNDS / len(ENDPOINTS)
    held: list[float] = []
    windows: list[float] = []
    answered, refused = 0, 0
    begin = time.monotonic()
    with workspace.serve(["main.py"], "/ready") as service:
        print(f"     0 s  {resident_megabytes(service.process.pid):.1f} MB before it is asked")
        try:
            for _ in range(_ROUNDS):
                for path in ENDPOINTS:
                    service.ask(path, bodies[path], each)
                    answered += int(service.rounds[-1][1]["requests"])
                refused += refusals(service)
                held.append(resident_megabytes(service.process.pid))
                if len(held) % _QUARTER == 0:
                    windows.append(median(held[-_QUARTER:]))
                    print(
                        f"{time.monotonic() - begin:6.0f} s  {answered:12,} answers  {refused:7,}"
                        f" refusals  {windows[-1]:.1f} MB, the median of this window",
                        flush=True,
                    )
        except (subprocess.CalledProcessError, OSError, http.client.HTTPException) as error:
            print(f"FAIL: after {answered:,} answers: {error}")
            return 1
    growth = windows[-1] / windows[1] - 1
    passed = growth <= MOST_GROWTH  # not where nothing is known
    print(
        f"{'PASS' if passed else 'FAIL'}: {answered:,} answers, {refused:,} refusals, 0 errors;"
        f" {windows[1]:.1f} MB in the second window, {windows[-1]:.1f} MB in the last:"
        f" {growth:+.1%} (at most {MOST_GROWTH:+.0%}); {max(held):.1f} MB at most."
    )
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
