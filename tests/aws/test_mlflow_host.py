"""The MLflow host: its user data, and its set-up run for real."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import string
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aws_cloud_infra import mlflow_host
from aws_cloud_infra.account.errors import InfraError
from aws_cloud_infra.account.packing import packed
from aws_cloud_infra.mlflow_host import LIMIT
from aws_cloud_infra.mlflow_host.lock import LOCK, WANTED
from tests.aws.machine import (
    AUTHORITIES,
    BUCKET,
    DATABASE,
    NAME,
    REAL,
    SECRETS,
    Machine,
    composed,
    parts,
)

HERE = Path(mlflow_host.__file__).parent
SHELLCHECK = Path(sys.prefix) / "bin" / "shellcheck"


def test_it_fits_into_what_ec2_takes_with_room_to_grow() -> None:
    assert len(packed(composed())) < LIMIT * 0.75


def test_cloud_init_is_told_to_run_the_script_at_every_start() -> None:
    found = parts(composed())
    assert {"text/cloud-config", "text/x-shellscript"} == set(found)
    assert (
        "#cloud-config\ncloud_final_modules:\n- [scripts-user, always]\n"
        == (found["text/cloud-config"])
    )
    assert found["text/x-shellscript"].startswith("#!/bin/bash\n")


def test_files_arrive_as_they_are() -> None:
    script = parts(composed())["text/x-shellscript"]
    show = script[: script.index("# Makes this machine")] + "start_py"
    shown = subprocess.run(["bash", "-c", show], capture_output=True, text=True, check=True)
    assert (HERE / "start.py").read_text() == shown.stdout
    assert script.endswith((HERE / "setup.sh").read_text().removeprefix("#!/bin/bash\n"))


def test_equal_names_give_equal_text_so_that_it_is_no_drift() -> None:
    assert composed() == composed()
    assert composed() != composed(bucket="another")


def test_all_it_is_told_are_names() -> None:
    script = parts(composed())["text/x-shellscript"]
    exports = dict(re.findall(r"^export (\w+)=(.*)$", script, re.MULTILINE))
    assert {
        "REGION": "eu-central-1", "BUCKET": BUCKET, "DATABASE": DATABASE, "SECRETS": SECRETS,
        "HOST_NAME": NAME, "AUTHORITIES_NAME": AUTHORITIES,
        "LOG_GROUP": "/sales-forecast/production/mlflow", "PORT": "5000",
    } == exports  # fmt: skip


def test_user_data_that_is_too_long_is_refused_with_numbers() -> None:
    with pytest.raises(InfraError, match=r"has \d{5} bytes, and EC2 takes 16384: .* 9\d pinned"):
        composed(log_group="".join(secrets.choice(string.printable) for _ in range(20_000)))


def test_without_the_lock_it_says_where_to_deploy_from(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match=r"lock.txt cannot be read: No such .* the repository"):
        composed(lock=tmp_path / "lock.txt")


def test_exactly_what_mlflow_brings_along_is_pinned() -> None:
    """Held against the environment here, and against the lock by which that was made."""
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    todo = [Requirement(text) for text in WANTED]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        wanted = todo.pop()
        key = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if key in seen:
            continue
        seen.add(key)
        for text in distribution(wanted.name).requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({**linux, "extra": extra}) for extra in wanted.extras or {""}
            ):
                todo.append(needed)
    pins = re.findall(r"^(\S+?)==(\S+) --hash=sha256:(\w{64})$", LOCK.read_text(), re.MULTILINE)
    assert len(pins) == len(LOCK.read_text().splitlines())
    assert {name for name, _ in seen} == {name for name, _, _ in pins}
    development = (HERE.parents[1] / "requirements" / "dev.txt").read_text()
    for name, version, digest in pins:
        (known,) = re.findall(
            rf"^{re.escape(name)}(?:\[.*?\])?=={re.escape(version)}[ ;].*\n((?: +--hash.*\n)+)",
            development, re.MULTILINE,
        )  # fmt: skip
        assert digest in known, f"{name} is of another lock: `make lock`"


@pytest.mark.skipif(not SHELLCHECK.exists(), reason="shellcheck is not installed")
@pytest.mark.parametrize("what", ["file", "whole"])
def test_shellcheck_finds_nothing(what: str, tmp_path: Path) -> None:
    script = tmp_path / "setup.sh"
    file = (HERE / "setup.sh").read_text()
    script.write_text(file if what == "file" else parts(composed())["text/x-shellscript"])
    done = subprocess.run([SHELLCHECK, script], capture_output=True, text=True, check=False)
    assert "" == done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_new_machine_is_set_up_step_by_step(machine: Machine) -> None:
    calls, done = machine.set_up()
    assert (0, "") == (done.returncode, done.stderr)
    home = machine.root / "opt/mlflow"
    agent = machine.root / "opt/aws/amazon-cloudwatch-agent/etc/mlflow.json"
    packages = "amazon-cloudwatch-agent logrotate python3.11 python3.11-pip"
    bundle = "https://truststore.pki.rds.amazonaws.com/eu-central-1/eu-central-1-bundle.pem"
    quiet = "--quiet --no-input --disable-pip-version-check"
    assert calls == [
        f"rpm -q {packages}",
        f"dnf install -y -q {packages}",
        f"amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:{agent}",
        "id mlflow",
        "useradd --system --no-create-home --shell /sbin/nologin mlflow",
        f"python3.11 -m venv {home}/venv",
        f"pip install {quiet} --require-hashes --only-binary :all: -r {home}/pins.txt",
        f"curl -fsS --max-time 30 -o {home}/authorities.pem.fetched {bundle}",
        "systemctl daemon-reload",
        "systemctl enable --quiet mlflow",
        "systemctl restart mlflow",
        "systemctl daemon-reload",
        "systemctl enable --quiet mlflow-patch.timer",
        "systemctl restart mlflow-patch.timer",
        "curl -fs -o /dev/null http://127.0.0.1:5000/health",
    ]
    assert "MLflow answers\n" == done.stdout, "what `apply` waits for"
    assert "mlflow" == machine.of_unit("User")


@pytest.mark.parametrize("versions", ["of the lock", "others"])
def test_pip_accepts_the_versions_of_the_lock_alone(tmp_path: Path, versions: str) -> None:
    """Without an index it can only find that what is here is what the pins say."""
    other = tmp_path / "lock.txt"
    other.write_text(f"boto3==1.0.0 --hash=sha256:{64 * '0'}\n")
    changes = {"lock": other} if versions == "others" else {}
    _, done = Machine(tmp_path, REAL).set_up(**changes)
    if versions == "others":
        assert 0 != done.returncode
        assert "boto3" in done.stderr
        assert "MLflow setup failed in line" in done.stderr
    else:
        assert (0, "") == (done.returncode, done.stderr)


def test_a_second_start_changes_nothing_and_restarts_nothing(machine: Machine) -> None:
    machine.set_up()
    before = machine.files()
    calls, done = machine.set_up()
    assert 0 == done.returncode
    assert {"rpm", "id", "systemctl is-active", "curl"} == {
        call if call.startswith("systemctl is") else call.split()[0]
        for call in (line.removesuffix(line[line.find(" --quiet") :]) for line in calls)
    }
    assert before == machine.files()


def test_what_stopped_is_started(machine: Machine) -> None:
    machine.set_up()
    for service in ("mlflow", "amazon-cloudwatch-agent"):
        (machine.state / service).unlink()
    calls, _ = machine.set_up()
    assert ["systemctl start amazon-cloudwatch-agent", "systemctl start mlflow"] == [
        call for call in calls if "start " in call
    ]


def test_changed_user_data_restarts_mlflow_and_installs_nothing(machine: Machine) -> None:
    machine.set_up()
    calls, _ = machine.set_up(bucket="another")
    assert "systemctl restart mlflow" in calls
    assert [] == [call for call in calls if call.startswith(("dnf", "amazon", "pip", "py"))]
    assert "BUCKET=another" in (machine.root / "opt/mlflow/environment").read_text()


@pytest.mark.parametrize("trouble", ["no-network", "no-index", "broken"])
def test_a_step_that_fails_is_told_and_done_by_the_next_run(machine: Machine, trouble: str) -> None:
    (machine.state / trouble).touch()
    calls, done = machine.set_up()
    assert 0 != done.returncode
    assert re.search(r"MLflow setup failed in line \d+: ", done.stderr)
    tries = {"no-network": "dnf", "no-index": "pip"}
    if trouble in tries:
        assert [tries[trouble]] * 5 == [call.split()[0] for call in calls[-5:]]
    (machine.state / trouble).unlink()
    calls, done = machine.set_up()
    assert (0, "") == (done.returncode, done.stderr)
    assert "systemctl restart mlflow" in calls


def test_who_signs_is_fetched_at_each_start_and_an_older_answer_will_do(machine: Machine) -> None:
    told, kept = machine.state / "authorities", machine.root / "opt/mlflow/authorities.pem"
    told.unlink()
    calls, done = machine.set_up()
    assert 0 != done.returncode
    assert ["curl"] * 5 == [call.split()[0] for call in calls[-5:]]
    assert "MLflow setup failed in line" in done.stderr

    told.write_text("who signs today")
    assert 0 == machine.set_up()[1].returncode
    told.unlink()
    calls, done = machine.set_up()
    assert (0, "who signs today") == (done.returncode, kept.read_text())
    assert "systemctl restart mlflow" not in calls

    told.write_text("who signs tomorrow")
    calls, _ = machine.set_up()
    assert "systemctl restart mlflow" in calls
    assert "who signs tomorrow" == kept.read_text()


@pytest.mark.parametrize("newer", [False, True])
def test_once_a_week_it_takes_newer_packages_and_restarts_if_there_were_any(
    machine: Machine, newer: bool
) -> None:
    machine.set_up()
    if newer:
        (machine.state / "newer").touch()
    (command,) = re.findall(
        "^ExecStart=(.*)$", (machine.unit.parent / "mlflow-patch.service").read_text(), re.MULTILINE
    )
    calls = machine.run(*command.split())
    assert "dnf upgrade -y -q --releasever=latest" in calls
    assert newer == ("systemctl reboot" in calls)


def test_the_logs_of_server_and_setup_go_to_the_log_group(machine: Machine) -> None:
    machine.set_up()
    file = machine.root / "opt/aws/amazon-cloudwatch-agent/etc/mlflow.json"
    collected = json.loads(file.read_text())["logs"]["logs_collected"]["files"]["collect_list"]
    assert {
        machine.of_unit("StandardOutput").removeprefix("append:"): "{instance_id}/server",
        "/var/log/cloud-init-output.log": "{instance_id}/setup",
    } == {item["file_path"]: item["log_stream_name"] for item in collected}
    assert {"/sales-forecast/production/mlflow"} == {item["log_group_name"] for item in collected}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit_and_calls_it_safe(machine: Machine) -> None:
    machine.set_up()
    patch, timer = (machine.unit.parent / f"mlflow-patch.{kind}" for kind in ("service", "timer"))
    for arguments in (
        ["verify", "--man=no", machine.unit, patch, timer],
        ["security", "--offline=true", "--threshold=40", machine.unit],
    ):
        done = subprocess.run(
            ["systemd-analyze", *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert 0 == done.returncode, done.stdout + done.stderr
        assert "mlflow.service:" not in done.stderr


@pytest.mark.skipif(not shutil.which("logrotate"), reason="logrotate is not installed")
def test_logrotate_understands_its_file(machine: Machine) -> None:
    machine.set_up()
    file = machine.root / "etc/logrotate.d/mlflow"
    done = subprocess.run(
        ["logrotate", "--debug", file], capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode
    assert "error" not in done.stderr
