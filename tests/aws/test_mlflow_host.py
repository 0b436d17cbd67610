"""The MLflow host: its user data, its set-up run for real, and MLflow itself on a real database.

What is not on this machine is stood in for: the commands of Amazon Linux, and AWS by the emulator.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from email import message_from_string
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aws_cloud_infra import mlflow_host
from aws_cloud_infra.errors import InfraError
from aws_cloud_infra.mlflow_host import start, user_data
from sales_forecast import registry
from tests.aws.account import Account

HERE = Path(mlflow_host.__file__).parent
ENVIRONMENT = Path(sys.prefix)
SHELLCHECK = ENVIRONMENT / "bin" / "shellcheck"
BUCKET, DATABASE, SECRET = "artifacts", "sales-forecast-production", "database-url"
MASTER = ("admin", "P@55w0rd!")
"""The one login that the emulator's databases have."""


def composed(**changes: Any) -> str:
    names = {"region": "eu-central-1", "bucket": BUCKET, "database": DATABASE, "secret": SECRET}
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


def test_it_fits_into_what_ec2_takes_with_room_to_grow() -> None:
    assert len(composed()) < 16_384 - 1_500


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
        "REGION": "eu-central-1", "BUCKET": BUCKET, "DATABASE": DATABASE, "SECRET_NAME": SECRET,
        "LOG_GROUP": "/sales-forecast/production/mlflow", "PORT": "5000",
    } == exports  # fmt: skip


def test_user_data_that_is_too_long_is_refused_with_numbers() -> None:
    with pytest.raises(InfraError, match=r"has \d{5} bytes, and EC2 takes 16384: .* 9\d pinned"):
        composed(log_group="x" * 5000)


def test_without_the_lock_it_says_where_to_deploy_from(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match=r"lock.txt cannot be read: No such .* the repository"):
        composed(lock=tmp_path / "lock.txt")


def test_exactly_what_mlflow_brings_along_is_pinned() -> None:
    """Held against the environment here. If it fails, bring `_NEEDED` in line."""
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    todo = [Requirement(text) for text in ("mlflow", "pymysql[rsa]", "boto3")]
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
    assert {name for name, _ in seen} == set(mlflow_host._NEEDED.split())


@pytest.mark.skipif(not SHELLCHECK.exists(), reason="shellcheck is not installed")
@pytest.mark.parametrize("what", ["file", "whole"])
def test_shellcheck_finds_nothing(what: str, tmp_path: Path) -> None:
    script = tmp_path / "setup.sh"
    file = (HERE / "setup.sh").read_text()
    script.write_text(file if what == "file" else parts(composed())["text/x-shellscript"])
    done = subprocess.run([SHELLCHECK, script], capture_output=True, text=True, check=False)
    assert "" == done.stdout


STAND_INS = {
    "rpm": '[ -e "$STATE/packages" ]',
    "dnf": '[ ! -e "$STATE/no-network" ] && touch "$STATE/packages"',
    "id": '[ -e "$STATE/user" ]',
    "useradd": 'touch "$STATE/user"',
    "python3.11": 'mkdir -p "$3/bin" && cp "$STATE/python" "$3/bin"',
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

    @property
    def state(self) -> Path:
        return self.root / "state"

    def set_up(self, **changes: Any) -> tuple[list[str], subprocess.CompletedProcess[str]]:
        """Run the script as cloud-init does; return the stand-ins' calls and how it ended."""
        commands, calls = self.root / "commands", self.root / "calls"
        commands.mkdir(parents=True, exist_ok=True)
        self.state.mkdir(exist_ok=True)
        calls.write_text("")
        told = 'echo "${0##*/} $*" >>"$CALLS"'
        for command, does in (
            *((commands / name, f"{told}\n{does}") for name, does in STAND_INS.items()),
            (self.state / "python", self.pip),
        ):
            command.write_text(f"#!/bin/bash\n{does}\n")
            command.chmod(0o755)
        script = self.root / "script"
        script.write_text(parts(composed(**changes))["text/x-shellscript"])
        done = subprocess.run(
            ["bash", script],
            env={
                "PATH": f"{commands}:{os.environ['PATH']}", "STATE": str(self.state),
                "CALLS": str(calls),
                "ROOT": str(self.root), "PAUSE": "0", "PIP_NO_INDEX": "1",
                "PIP_ROOT_USER_ACTION": "ignore",
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return calls.read_text().splitlines(), done

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


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_new_machine_is_set_up_step_by_step(machine: Machine) -> None:
    calls, done = machine.set_up()
    assert (0, "") == (done.returncode, done.stderr)
    home = machine.root / "opt/mlflow"
    agent = machine.root / "opt/aws/amazon-cloudwatch-agent/etc/mlflow.json"
    packages = "amazon-cloudwatch-agent logrotate python3.11 python3.11-pip"
    quiet = "--quiet --no-input --disable-pip-version-check"
    assert calls == [
        f"rpm -q {packages}",
        f"dnf install -y -q {packages}",
        f"amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:{agent}",
        "id mlflow",
        "useradd --system --no-create-home --shell /sbin/nologin mlflow",
        f"python3.11 -m venv {home}/venv",
        f"pip install {quiet} -c {home}/pins.txt mlflow pymysql[rsa] boto3",
        "systemctl daemon-reload",
        "systemctl enable --quiet mlflow",
        "systemctl restart mlflow",
    ]
    assert "mlflow" == machine.of_unit("User")


@pytest.mark.parametrize("versions", ["of the lock", "others"])
def test_pip_accepts_the_versions_of_the_lock_alone(tmp_path: Path, versions: str) -> None:
    """Without an index it can only find that what is here is what the pins say."""
    other = tmp_path / "lock.txt"
    other.write_text("boto3==1.0.0 \\\n    --hash=sha256:0\n")
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
    assert {"rpm", "id", "systemctl is-active"} == {
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
    machine.state.mkdir()
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
    for arguments in (["verify", "--man=no"], ["security", "--offline=true", "--threshold=40"]):
        done = subprocess.run(
            ["systemd-analyze", *arguments, machine.unit],
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


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(done: Callable[[], Any], what: Callable[[], str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


@dataclass
class MariaDb:
    """A throwaway server that takes no connection without TLS."""

    port: int
    socket: str

    def connect(self, user: str, password: str, **options: Any) -> Any:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=user, password=password,
            **{"ssl": start.TLS, **options},
        )  # fmt: skip


@pytest.fixture(scope="module")
def database() -> Iterator[MariaDb]:
    for program in ("mariadbd", "mariadb-install-db", "openssl"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    # Its user must be able to read the folder, which pytest's own do not allow.
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    user = []
    if os.geteuid() == 0:
        shutil.chown(data, "mysql")
        user = ["--user=mysql"]
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=database", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o644)
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", *user, f"--datadir={data}", "--skip-test-db",
         "--auth-root-authentication-method=normal"],
        check=True, capture_output=True,
    )  # fmt: skip
    running = MariaDb(free_port(), str(data / "socket"))
    server = subprocess.Popen(
        ["mariadbd", "--no-defaults", *user, f"--datadir={data}", f"--socket={running.socket}",
         "--bind-address=127.0.0.1", f"--port={running.port}", "--require-secure-transport=ON",
         f"--ssl-cert={certificate}", f"--ssl-key={key}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(Path(running.socket).exists, lambda: "the database does not start", 60)
        with closing(pymysql.connect(user="root", unix_socket=running.socket)) as root:
            login = "%s@'%%' IDENTIFIED BY %s"
            with root.cursor() as cursor:
                cursor.execute(f"GRANT ALL ON *.* TO {login} WITH GRANT OPTION", MASTER)
        yield running
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder)


@dataclass
class Host:
    """MLflow as systemd would run it, on the emulator's account and a real database."""

    machine: Machine
    account: Account
    database: MariaDb
    port: int
    server: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        file = Path(self.machine.of_unit("EnvironmentFile"))
        return {
            **self.account.environment(),
            **dict(line.split("=", 1) for line in file.read_text().splitlines()),
            "HOME": str(self.machine.root),
            # The endpoint that the emulator gives a database is no real one.
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(self.database.port),
        }

    @property
    def log(self) -> Path:
        return Path(self.machine.of_unit("StandardOutput").removeprefix("append:"))

    def start(self) -> None:
        """Run what the unit says and wait until it answers; the first start makes 65 tables."""
        with self.log.open("ab") as log:
            self.server = subprocess.Popen(
                self.machine.of_unit("ExecStart").split(),
                env=self.environment, cwd=self.machine.root, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until(self.answers, self.log.read_text, 120)

    def answers(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, self.log.read_text()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health").text == "OK"
        return False

    def kill(self) -> None:
        if self.server is not None:
            os.killpg(self.server.pid, signal.SIGKILL)
            self.server.wait()
            self.server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def shared_url(self) -> str:
        secrets = self.account.session().client("secretsmanager")
        return secrets.get_secret_value(SecretId=SECRET)["SecretString"]


@pytest.fixture(scope="module")
def host(
    server: Account, database: MariaDb, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    server.reset()
    session = server.session()
    where = {"LocationConstraint": "eu-central-1"}
    session.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    session.client("secretsmanager").create_secret(Name=SECRET)
    session.client("rds").create_db_instance(
        DBInstanceIdentifier=DATABASE, DBInstanceClass="db.t4g.micro", Engine="mysql",
        MasterUsername=MASTER[0], ManageMasterUserPassword=True, AllocatedStorage=20,
    )  # fmt: skip
    running = Host(Machine(tmp_path_factory.mktemp("host"), REAL), server, database, free_port())
    _, done = running.machine.set_up(port=running.port)
    assert 0 == done.returncode, done.stderr
    running.start()
    try:
        yield running
    finally:
        running.kill()


def test_a_run_with_an_artifact_is_logged_through_it_and_lands_in_the_bucket(host: Host) -> None:
    assert registry
    from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds

    client = MlflowClient(host.url)
    run = client.create_run(client.create_experiment("sales"))
    client.log_metric(run.info.run_id, "wape", 0.07)
    client.log_text(run.info.run_id, "a model", "model.txt")
    assert {"wape": 0.07} == client.get_run(run.info.run_id).data.metrics
    s3 = host.account.session().client("s3")
    (found,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert re.fullmatch(r"artifacts/\d+/[0-9a-f]{32}/artifacts/model\.txt", found["Key"])
    assert b"a model" == s3.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()


@pytest.mark.parametrize(
    ("called", "status"),
    [("127.0.0.1", 200), ("localhost:8080", 200), (socket.gethostname(), 200),
     ("evil.example.com", 403), ("mlflow.evil.example.com:5000", 403)],
)  # fmt: skip
def test_only_its_own_names_are_answered(host: Host, called: str, status: int) -> None:
    url = f"{host.url}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert status == httpx.get(url, headers={"Host": called}).status_code


def test_its_private_address_with_the_port_is_one_of_its_names(host: Host) -> None:
    """As the service calls it. On this machine that is the address by which it reached MariaDB."""
    arguments = _arguments_of(host)
    names = arguments[arguments.index("--allowed-hosts") + 1].split(",")
    assert {"127.0.0.1", f"127.0.0.1:{host.port}", f"{socket.gethostname()}:{host.port}"} <= {
        *names
    }
    assert "*" not in names


def _arguments_of(host: Host) -> list[str]:
    assert host.server is not None
    return Path(f"/proc/{host.server.pid}/cmdline").read_text().split("\0")


def test_the_secret_opens_the_services_database_and_no_other(host: Host) -> None:
    found = re.fullmatch(
        rf"mysql\+pymysql://sales:([\w-]{{43}})@127\.0\.0\.1:{host.database.port}/sales"
        r"\?ssl_check_hostname=false",
        host.shared_url,
    )
    assert found
    with closing(host.database.connect("sales", found[1])) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SHOW DATABASES")
            assert {"sales", "information_schema"} == {name for (name,) in cursor.fetchall()}
        with connection.cursor() as cursor, pytest.raises(pymysql.OperationalError, match="1044"):
            cursor.execute("USE mlflow")
    for ssl in ({"ssl_disabled": True, "ssl": None},):
        with pytest.raises(pymysql.OperationalError, match="1045"):
            host.database.connect("sales", found[1], **ssl)


def test_the_url_in_the_secret_works_as_the_services_database_url(host: Host) -> None:
    from sales_forecast.database import Database  # noqa: PLC0415 - brings SQLAlchemy along

    with closing(Database(host.shared_url)) as database:
        database.ping()


def test_no_password_is_in_the_log_or_in_what_other_users_can_see(host: Host) -> None:
    assert host.server is not None
    environment = Path(f"/proc/{host.server.pid}/environ").read_text()
    (own,) = re.findall(
        r"MLFLOW_BACKEND_STORE_URI=mysql\+pymysql://mlflow:([\w-]{43})@", environment
    )
    (shared,) = re.findall(r"sales:([\w-]{43})@", host.shared_url)
    seen = host.log.read_text() + " ".join(_arguments_of(host))
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            seen += process.read_text()
    assert [] == [password for password in (own, shared, MASTER[1]) if password in seen]


@pytest.fixture
def told(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """This process is told what the host is."""
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    return host


def test_a_password_that_does_not_work_any_more_is_replaced(told: Host) -> None:
    before = told.shared_url
    with closing(told.database.connect(*MASTER)) as connection, connection.cursor() as cursor:
        cursor.execute("DROP USER sales")
    with closing(start.open_databases(DATABASE)) as databases:
        start.share_sales(databases, SECRET)
        after = told.shared_url
        assert before != after
        start.share_sales(databases, SECRET)
    assert after == told.shared_url
    told.database.connect("sales", re.findall(r":([\w-]{43})@", after)[0]).close()


def test_somebodys_own_database_in_the_secret_is_left_alone(told: Host) -> None:
    secrets = told.account.session().client("secretsmanager")
    before = told.shared_url
    own = "postgresql+psycopg://me:mine@db.example.com/sales"
    secrets.put_secret_value(SecretId=SECRET, SecretString=own)
    with closing(start.open_databases(DATABASE)) as databases:
        start.share_sales(databases, SECRET)
    assert own == told.shared_url
    secrets.put_secret_value(SecretId=SECRET, SecretString=before)


@pytest.mark.parametrize(
    "changes",
    [{"DATABASE": "not-there"}, {"SECRET_NAME": "not-there"}, {"DATABASE_PORT": "1"}],
)
def test_what_is_not_there_yet_ends_it_with_one_line(host: Host, changes: dict[str, str]) -> None:
    done = subprocess.run(
        host.machine.of_unit("ExecStart").split(),
        env={**host.environment, **changes}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 1 == done.returncode
    assert done.stderr.startswith("MLflow cannot start yet: ")
    assert 1 == len(done.stderr.splitlines())


def test_a_server_that_was_killed_starts_again_with_what_it_had(host: Host) -> None:
    before = host.shared_url
    host.kill()
    host.start()
    assert before == host.shared_url
    url = f"{host.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
    assert "Default" == httpx.get(url).json()["experiment"]["name"]
