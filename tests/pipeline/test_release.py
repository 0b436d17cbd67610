"""What `release.py` does: images become deployable when they are scanned, and can be taken back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aws_cloud_infra import release
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine import actions
from aws_cloud_infra.releasing import registry
from aws_cloud_infra.releasing.gate import Refused
from aws_cloud_infra.resources.containers.image import Image
from aws_cloud_infra.resources.containers.repository import Repository
from aws_cloud_infra.resources.data.secret import Secret
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer
from aws_cloud_infra.stacks.pipeline import may_release
from tests.aws.account import Account, record
from tests.pipeline.deployed_world import docker_in
from tests.service.deployment import Deployment

SERVE, TRAIN = "serve-1", "train-1"
IMAGES = {SERVE: "sales-forecast:serve", TRAIN: "sales-forecast:train"}
DOCKER_PUSH = {
    "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
}  # fmt: skip


@pytest.fixture
def account(server: Account) -> Account:
    """An account with nothing in it but the repository."""
    server.reset()
    aws = server.aws()
    repository = Repository(aws, aws.prefix)
    repository.create(repository.desired({}))
    return server


@pytest.fixture
def aws(account: Account) -> Aws:
    return account.aws()


@pytest.fixture
def candidates(aws: Aws) -> None:
    """Both images, as if Docker had pushed them, and scanned."""
    for tag in IMAGES:
        put(aws, f"candidate-{tag}")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_SECONDS_BETWEEN_LOOKS", 0.01)


def put(aws: Aws, tag: str) -> None:
    layer = f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}"
    manifest = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "layers": [{"digest": layer, "size": 1}],
    }
    ecr, name = aws.client("ecr"), aws.prefix
    ecr.put_image(repositoryName=name, imageManifest=json.dumps(manifest), imageTag=tag)
    ecr.start_image_scan(repositoryName=name, imageId={"imageTag": tag})


def as_list(item: str | list[str]) -> list[str]:
    return [item] if isinstance(item, str) else item


def tags(aws: Aws) -> set[str]:
    images = aws.client("ecr").describe_images(repositoryName=aws.prefix)["imageDetails"]
    return {tag for image in images for tag in image["imageTags"]}


Scan = dict[str, Any]


def scanning(account: Account, tell: Callable[[str, int], Scan]) -> Aws:
    """Return the account, telling of each scan what `tell` says for a tag and a number of looks."""
    session = account.session()
    asked: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(params["imageId"]["imageTag"])

    def answer(parsed: dict[str, Any], **_: Any) -> None:
        parsed.pop("imageScanFindings", None)
        parsed.update(tell(asked[-1], asked.count(asked[-1])))

    session.events.register("provide-client-params.ecr.DescribeImageScanFindings", note)
    session.events.register("after-call.ecr.DescribeImageScanFindings", answer)
    return account.aws(session)


def finding(name: str, severity: str) -> Scan:
    findings = [{"name": name, "severity": severity}]
    return {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": {"findings": findings}}


CLEAN: Scan = {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": {}}


@pytest.fixture
def at_hand(account: Account, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make the account the one that any process talks to."""
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def docker(at_hand: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Docker with both images, and the folder in which it can be told what it says of them."""
    folder = tmp_path / "docker"
    for name, value in docker_in(folder).items():
        at_hand.setenv(name, value)
    for local in IMAGES.values():
        (folder / f"{local.replace(':', '%3A')}.image").write_text(local)
    return folder


PUSH = ["push", *(word for tag, local in IMAGES.items() for word in (local, tag))]
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.mark.usefixtures("docker")
def test_what_docker_has_is_pushed_scanned_and_then_released(aws: Aws, capfd) -> None:
    assert 0 == release.main(PUSH)
    assert {SERVE, TRAIN, f"candidate-{SERVE}", f"candidate-{TRAIN}"} == tags(aws)
    assert f"candidate-{SERVE}: scanned, 1 HIGH\n" in capfd.readouterr().out
    live = Image(aws, "any", Repository(aws, aws.prefix), "serve-").find()
    assert "@sha256:" in live.id


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"Architecture": "arm64"}, "sales-forecast:serve is for linux/arm64, and tasks run on"),
        ({"Os": "windows"}, "sales-forecast:serve is for windows/amd64, and tasks run on"),
        ({"Descriptor": {"mediaType": INDEX}}, "sales-forecast:serve is a list of images, which"),
    ],
)
def test_what_could_not_run_or_be_scanned_is_refused_before_it_is_pushed(
    aws: Aws, docker: Path, capsys, told: dict[str, Any], said: str
) -> None:
    (docker / "inspect.json").write_text(json.dumps(told))
    assert 1 == release.main(PUSH)
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert "`docker build --platform linux/amd64 --provenance=false --sbom=false`" in err
    assert set() == tags(aws)


def test_a_list_of_images_that_was_pushed_is_taken_away_and_the_next_try_succeeds(
    aws: Aws, docker: Path, capsys
) -> None:
    (docker / "form").write_text(INDEX)
    assert 1 == release.main(PUSH[:3])
    assert "was pushed as a list of images" in capsys.readouterr().err
    assert set() == tags(aws)
    (docker / "form").unlink()
    assert 0 == release.main(PUSH[:3])
    assert SERVE in tags(aws)


@pytest.mark.usefixtures("docker")
def test_a_list_of_images_that_somebody_pushed_before_is_replaced(aws: Aws) -> None:
    index = {"mediaType": INDEX, "layers": [], "manifests": []}
    aws.client("ecr").put_image(
        repositoryName=aws.prefix, imageManifest=json.dumps(index), imageTag=f"candidate-{SERVE}"
    )
    assert 0 == release.main(PUSH[:3])
    assert SERVE in tags(aws)


@pytest.mark.usefixtures("docker")
@pytest.mark.usefixtures("candidates")
def test_a_wrong_image_can_be_forgotten_and_another_pushed_in_its_place(aws: Aws) -> None:
    release.push(aws, IMAGES)
    assert 0 == release.main(["withdraw", "--forget", SERVE, TRAIN])
    assert set() == tags(aws)
    assert 0 == release.main(PUSH[:3])
    assert {SERVE, f"candidate-{SERVE}"} == tags(aws)


@pytest.mark.usefixtures("candidates")
def test_what_was_pushed_by_an_earlier_run_is_gone_on_with_and_needs_no_docker(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    release.push(aws, IMAGES)
    before = tags(aws)
    release.push(aws, IMAGES)
    assert before == tags(aws) == {SERVE, TRAIN, f"candidate-{SERVE}", f"candidate-{TRAIN}"}


@pytest.mark.usefixtures("candidates")
def test_a_scan_is_waited_for_and_what_it_finds_in_the_end_counts(account: Account) -> None:
    states = {1: "PENDING", **dict.fromkeys((2, 3, 4), "IN_PROGRESS")}

    def tell(tag: str, look: int) -> Scan:
        if look in states:
            return {"imageScanStatus": {"status": states[look]}}
        return finding("CVE-2025-1", "CRITICAL") if "train" in tag else CLEAN

    aws = scanning(account, tell)
    with pytest.raises(Refused, match=r"1 critical: CVE-2025-1 in candidate-train-1\."):
        release.push(aws, IMAGES)
    release.push(aws, {SERVE: IMAGES[SERVE]})
    assert SERVE in tags(aws)


def test_a_scan_that_has_not_begun_is_no_scan(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}
    aws.client("ecr").put_image(
        repositoryName=aws.prefix, imageManifest=json.dumps(manifest), imageTag=f"candidate-{SERVE}"
    )
    monkeypatch.setattr(registry, "_SECONDS_TO_SCAN", 0.05)
    with pytest.raises(Refused, match=r"is not scanned after 0 minutes \(PENDING\)"):
        release.push(aws, {SERVE: IMAGES[SERVE]})
    assert SERVE not in tags(aws)


@pytest.mark.usefixtures("candidates")
def test_an_image_that_aws_cannot_scan_is_refused(account: Account) -> None:
    status = {"status": "FAILED", "description": "UnsupportedImageError: no such system"}
    aws = scanning(account, lambda *_: {"imageScanStatus": status})
    with pytest.raises(Refused, match=r"cannot be scanned \(FAILED\): UnsupportedImageError"):
        release.push(aws, IMAGES)
    assert {f"candidate-{TRAIN}"} == tags(aws), "it makes room for another"


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize("severity", ["CRITICAL", "HIGH"])
def test_one_critical_finding_in_one_image_releases_none(account: Account, severity: str) -> None:
    aws = scanning(
        account, lambda tag, _: finding("CVE-2025-1", severity) if "train" in tag else CLEAN
    )
    if severity == "CRITICAL":
        with pytest.raises(Refused, match=r"1 critical: CVE-2025-1 in candidate-train-1\."):
            release.push(aws, IMAGES)
    else:
        release.push(aws, IMAGES)
    assert (severity == "HIGH") is ({SERVE, TRAIN} <= tags(aws))
    assert (severity == "HIGH") is bool({SERVE, TRAIN} & tags(aws))


@pytest.mark.usefixtures("candidates")
def test_only_a_critical_finding_that_is_accepted_by_its_name_may_pass(account: Account) -> None:
    aws = scanning(account, lambda *_: finding("CVE-2025-1", "CRITICAL"))
    with pytest.raises(Refused):
        release.push(aws, IMAGES, accepted=["CVE-2025-2"])
    release.push(aws, IMAGES, accepted=["CVE-2025-2", "CVE-2025-1"])
    assert {SERVE, TRAIN} < tags(aws)


@pytest.mark.usefixtures("candidates")
def test_findings_of_enhanced_scanning_count_as_well(account: Account) -> None:
    found = {"severity": "CRITICAL", "findingArn": "arn",
             "packageVulnerabilityDetails": {"vulnerabilityId": "CVE-2025-3"}}  # fmt: skip
    aws = scanning(
        account,
        lambda *_: {
            "imageScanStatus": {"status": "ACTIVE"},
            "imageScanFindings": {"enhancedFindings": [found]},
        },
    )
    with pytest.raises(Refused, match="CVE-2025-3 in candidate-serve-1"):
        release.push(aws, IMAGES)


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize(
    ("available", "passes"), [("NO", True), ("YES", False), ("PARTIAL", False)]
)
def test_a_critical_finding_without_a_mended_version_is_shown_and_let_pass(
    account: Account, capsys, available: str, passes: bool
) -> None:
    found = {"severity": "CRITICAL", "findingArn": "arn", "fixAvailable": available,
             "packageVulnerabilityDetails": {"vulnerabilityId": "CVE-2025-3"}}  # fmt: skip
    scan = {"imageScanStatus": {"status": "ACTIVE"},
            "imageScanFindings": {"enhancedFindings": [found]}}  # fmt: skip
    aws = scanning(account, lambda *_: scan)
    if passes:
        release.push(aws, IMAGES)
    else:
        with pytest.raises(Refused, match="There is a mended version: build anew"):
            release.push(aws, IMAGES)
    out = capsys.readouterr().out
    assert "candidate-serve-1: scanned, 1 CRITICAL" in out
    assert passes is ("; let pass, no mended version: CVE-2025-3\n" in out)
    assert passes is ({SERVE, TRAIN} <= tags(aws))


def report(folder: Path, *found: tuple[str, str, str]) -> str:
    """Write a report as Grype does, of findings by name, severity and what there is against it."""
    file = folder / "grype.json"
    matches = [
        {"vulnerability": {"id": name, "severity": severity, "fix": {"state": state}}}
        for name, severity, state in found
    ]
    file.write_text(json.dumps({"matches": matches}))
    return str(file)


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize(
    ("states", "passes"),
    [(["not-fixed"], True), (["wont-fix"], True), (["fixed"], False),
     (["not-fixed", "fixed"], False), ([], False)],
)  # fmt: skip
def test_what_aws_does_not_say_a_report_of_another_scanner_does(
    account: Account, tmp_path: Path, states: list[str], passes: bool
) -> None:
    aws = scanning(account, lambda *_: finding("CVE-2025-1", "CRITICAL"))
    known = report(tmp_path, *(("CVE-2025-1", "Critical", state) for state in states))
    if passes:
        release.push(aws, IMAGES, reports=[Path(known)])
    else:
        with pytest.raises(Refused, match=r"2 critical: CVE-2025-1 in candidate-serve-1, "):
            release.push(aws, IMAGES, reports=[Path(known)])
    assert passes is ({SERVE, TRAIN} <= tags(aws))


def test_images_are_judged_by_reports_before_there_is_an_account(tmp_path: Path, capsys) -> None:
    found = [("CVE-1", "Critical", "fixed"), ("CVE-2", "Critical", "wont-fix"),
             ("CVE-3", "High", "fixed")]  # fmt: skip
    file = report(tmp_path, *found)
    assert 1 == release.main(["judge", file])
    out, err = capsys.readouterr()
    assert f"{file}: scanned, 2 CRITICAL, 1 HIGH; let pass, no mended version: CVE-2\n" == out
    assert f"Not released, 1 critical: CVE-1 in {file}. There is a mended version" in err
    assert 0 == release.main(["judge", file, "--accept", "CVE-1"])
    assert "accepted: CVE-1" in capsys.readouterr().out


@pytest.mark.parametrize("text", [None, "", "[]", '{"matches": [{"vulnerability": {}}]}'])
def test_a_report_that_is_none_is_said_so(tmp_path: Path, capsys, text: str | None) -> None:
    file = tmp_path / "grype.json"
    if text is not None:
        file.write_text(text)
    assert 1 == release.main(["judge", str(file)])
    err = capsys.readouterr().err
    assert 1 == len(err.splitlines())
    assert ("cannot be read" if text is None else "is no report of Grype") in err


def test_an_image_older_than_the_released_one_is_not_released(account: Account) -> None:
    session = account.session()

    def one_a_day(parsed: dict[str, Any], **_: Any) -> None:
        """The emulator's clock only has seconds."""
        for image in parsed.get("imageDetails", ()):
            day = max(int(tag.rsplit("-", 1)[1]) for tag in image["imageTags"])
            image["imagePushedAt"] = datetime(2025, 6, day, tzinfo=UTC)

    session.events.register("after-call.ecr.DescribeImages", one_a_day)
    aws = account.aws(session)
    put(aws, "candidate-serve-2")
    put(aws, "candidate-serve-1")
    release.push(aws, {"serve-2": "any"})
    with pytest.raises(Refused, match="serve-1 was built before serve-2, which stays deployed"):
        release.push(aws, {"serve-1": "any"})
    release.withdraw(aws, ["serve-2"])
    release.push(aws, {"serve-1": "any"})
    assert {"candidate-serve-1", "candidate-serve-2", "serve-1"} == tags(aws)


@pytest.mark.usefixtures("candidates")
def test_what_is_withdrawn_stays_as_a_candidate_and_can_be_released_again(aws: Aws) -> None:
    release.push(aws, IMAGES)
    for _ in range(2):
        release.withdraw(aws, [SERVE, TRAIN])
        assert {f"candidate-{SERVE}", f"candidate-{TRAIN}"} == tags(aws)
    release.push(aws, IMAGES)
    assert {SERVE, TRAIN} < tags(aws)


def test_an_image_pushed_by_hand_is_kept_when_it_is_withdrawn(aws: Aws) -> None:
    put(aws, "serve-by-hand")
    release.withdraw(aws, ["serve-by-hand"])
    assert {"candidate-serve-by-hand"} == tags(aws)


@pytest.mark.parametrize(
    ("script", "said"),
    [("", "There is no `docker` here."), ("exit 3", "`docker login` failed (exit code 3).")],
)
def test_docker_that_is_missing_or_fails_is_said_in_one_line(
    at_hand: pytest.MonkeyPatch, tmp_path: Path, capsys, script: str, said: str
) -> None:
    at_hand.setenv("PATH", str(tmp_path))
    if script:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "docker").chmod(0o755)
    assert 1 == release.main(["push", "sales-forecast:serve", SERVE])
    assert said in capsys.readouterr().err


def test_an_image_without_its_tag_is_wrong_usage(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        release.main(["push", "sales-forecast:serve"])
    assert 2 == left.value.code
    assert "pairs: a local image and its tag" in capsys.readouterr().err


def test_aws_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    nowhere = Account("http://127.0.0.1:1").environment()
    for name, value in {**nowhere, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    # Its patience is half a minute.
    monkeypatch.setattr("aws_cloud_infra.account.clients._CLIENT", None)
    assert 1 == release.main(["withdraw", SERVE])
    assert "AWS does not answer" in capsys.readouterr().err


@pytest.fixture
def key(aws: Aws) -> str:
    """The service's API key, as the stack makes one."""
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name=f"{aws.prefix}-api-key", SecretString="a key")
    return "a key"


def address(said: str) -> str:
    return next(word for word in said.split() if word.startswith("http")).rstrip(".,/")


def test_a_service_with_a_model_is_asked_the_examples_and_its_key_is_not_shown(
    aws: Aws, key: str, tmp_path: Path, capsys
) -> None:
    deployment = Deployment(tmp_path)
    deployment.load()
    version = deployment.publish("a model")
    deployment.environment["API_KEY"] = key
    with deployment.served() as (_, said):
        release.check(aws, address(said), attempts=20)
    out = capsys.readouterr().out
    assert f"serves model {version}.\n" in out
    assert "forecast_sales" in out
    assert key not in out


def test_only_the_first_release_may_still_lack_a_model(
    aws: Aws, key: str, tmp_path: Path, capsys
) -> None:
    put(aws, SERVE)
    with Deployment(tmp_path).served() as (_, said):
        release.check(aws, address(said), attempts=2)
        assert "runs, and waits for its first model: " in capsys.readouterr().out
        put(aws, "serve-2")
        with pytest.raises(Refused, match=r"does not answer as it should: .*no model"):
            release.check(aws, address(said), attempts=2)


def test_a_service_that_takes_another_key_fails_the_check(
    aws: Aws, key: str, tmp_path: Path
) -> None:
    deployment = Deployment(tmp_path)
    deployment.load()
    deployment.publish("a model")
    deployment.environment["API_KEY"] = f"not {key}"
    with deployment.served() as (_, said), pytest.raises(Refused, match="refuses the examples"):
        release.check(aws, address(said), attempts=20)


def test_without_a_load_balancer_there_is_nothing_to_check(aws: Aws) -> None:
    with pytest.raises(Refused, match=r"no load balancer yet. Run `infra.py apply` first\."):
        release.check(aws, None, attempts=1)


def test_with_a_certificate_its_own_name_must_be_given(account: Account) -> None:
    arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
    aws = account.aws(certificate_arn=arn)
    subnets = aws.client("ec2").describe_subnets()["Subnets"][:2]
    aws.client("elbv2").create_load_balancer(
        Name=aws.prefix,
        Scheme="internet-facing",
        Subnets=[subnet["SubnetId"] for subnet in subnets],
    )
    with pytest.raises(Refused, match=r"The certificate is not for https://.*: give --url"):
        release.check(aws, None, attempts=1)


def test_the_pipeline_may_do_what_these_verbs_do_and_no_more(
    account: Account, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = account.session()
    calls = record(session)
    aws = account.aws(session)
    for tag in IMAGES:
        put(account.aws(), f"candidate-{tag}")
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        registry.Registry(aws).log_in()
    release.push(aws, IMAGES)
    with Deployment(tmp_path).served() as (_, said):
        release.check(aws, address(said), attempts=1)
    release.withdraw(aws, [SERVE])
    needed = {actions.action(*call) for call in calls.made} | DOCKER_PUSH
    api_key = Secret(aws, f"{aws.prefix}-api-key", "API_KEY of the service", generated=True)
    granted = {
        action
        for statement in may_release(Repository(aws, aws.prefix), api_key)
        for action in as_list(statement["Action"])
    }
    balancer = {action for item in LoadBalancer.permissions for action in item.actions}
    assert set() == needed - granted - balancer - {"sts:GetCallerIdentity"}, "not granted"
    assert set() == granted - needed, "granted, but never called"
