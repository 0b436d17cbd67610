"""A command that nobody reads ends without a trace, whichever it is; so does one on a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sales_forecast.commands.ending import heard

ROOT = Path(__file__).parents[1]
DOORS = (
    "main.py",
    "train.py",
    "monitor.py",
    "database_loader.py",
    "client.py",
    "aws_cloud_infra/infra.py",
    "aws_cloud_infra/mlflow_infra.py",
    "aws_cloud_infra/release.py",
)


def test_every_door_is_here() -> None:
    doors = [*ROOT.glob("*.py"), *(ROOT / "aws_cloud_infra").glob("*.py")]
    asking = [of for of in doors if 'if __name__ == "__main__":\n    sys.exit(' in of.read_text()]
    assert {*DOORS} == {of.relative_to(ROOT).as_posix() for of in asking}


@pytest.mark.parametrize("door", DOORS)
def test_a_closed_pipe_is_no_trace(door: str) -> None:
    ran = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" "$1" --help | head -0', sys.executable, door],
        capture_output=True,
        cwd=ROOT,
        env={name: of for name, of in os.environ.items() if name != "PYTHONUNBUFFERED"},
        text=True,
        check=False,
    )
    assert (141, "") == (ran.returncode, ran.stderr)


def test_a_full_disk_is_one_line_that_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    def fill() -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/var/table.csv")

    assert 1 == heard(fill, "train.py")
    assert capsys.readouterr().err.startswith("/data/var/table.csv: the disk is full. Make room")


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_stopped_leaves_no_process_and_no_warning(by: signal.Signals) -> None:
    work = "LONG_TASKS.map(endless, [1, 2])"
    code = f"""if True:
        import sys
        from sales_forecast.commands.ending import ended, heard
        from sales_forecast.compute.engine import LONG_TASKS
        from tests.work import endless
        sys.exit(ended(lambda: heard(lambda: {work}, "train.py")))"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "begun\n" == process.stderr.readline()
        process.send_signal(by)
        # It comes to its end when the last process that could write to it has.
        said = process.stderr.read().splitlines()
    assert (130, "train.py: stopped.") == (process.returncode, said[-1])
    assert {*said[:-1]} <= {"begun"}
