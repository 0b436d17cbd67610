"""What stands in `pipelines/kubernetes`: built by kustomize, whole, and valid for four versions."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apart import locked

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "pipelines" / "kubernetes"
OVERLAYS = ("base", "local", "eks")
VERSIONS = ("1.34", "1.35", "1.36", "1.37")
LABELS = {
    f"app.kubernetes.io/{name}": value
    for name, value in (
        ("name", "sales-forecast"),
        ("part-of", "sales-forecast"),
        ("managed-by", "kustomize"),
    )
}
Manifest = dict[str, Any]


def build(overlay: str) -> str:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        [kubectl, "kustomize", FOLDER / overlay], capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


@pytest.fixture(scope="module", params=OVERLAYS)
def built(request: pytest.FixtureRequest) -> list[Manifest]:
    return [*yaml.safe_load_all(build(request.param))]


def of_kind(built: list[Manifest], kind: str) -> list[Manifest]:
    return [one for one in built if one["kind"] == kind]


def pods(built: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The templates of pods of the service and of the jobs, by the name of what makes them."""
    for one in built:
        spec = one.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield one["metadata"]["name"], template


def test_everything_bears_the_recommended_labels(built: list[Manifest]) -> None:
    for one in built:
        assert LABELS.items() <= one["metadata"]["labels"].items(), one["metadata"]["name"]
        if one["kind"] != "Namespace":
            assert one["metadata"]["namespace"] == "sales-forecast"


def test_every_pod_has_no_rights_and_says_what_it_needs(built: list[Manifest]) -> None:
    found = dict(pods(built))
    assert {"sales-forecast", "sales-forecast-weekly", "sales-forecast-train"} == {*found}
    dockerfile = (ROOT / "Dockerfile").read_text()
    for pod in found.values():
        spec = pod["spec"]
        assert LABELS.items() <= pod["metadata"]["labels"].items()
        assert not spec["automountServiceAccountToken"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert f"USER {spec['securityContext']['runAsUser']}:" in dockerfile
        assert {"type": "RuntimeDefault"} == spec["securityContext"]["seccompProfile"]
        (container,) = spec["containers"]
        assert {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        } == container["securityContext"]
        assert {"cpu", "memory"} < {*container["resources"]["requests"]}
        assert "memory" in container["resources"]["limits"]
        mounted = {volume["mountPath"] for volume in container["volumeMounts"]}
        assert f"VOLUME {json.dumps(sorted(mounted))}" in dockerfile
        assert container["envFrom"] == [
            {"configMapRef": {"name": "sales-forecast"}},
            {"secretRef": {"name": "sales-forecast"}},
        ]


def test_the_service_is_asked_whether_it_lives_and_whether_it_is_ready(
    built: list[Manifest],
) -> None:
    (deployment,) = of_kind(built, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert f"EXPOSE {ports['http']}" in (ROOT / "Dockerfile").read_text()
    paths = {
        name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")
    }
    assert ["/health", "/health", "/ready"] == [of["path"] for of in paths.values()]
    assert {"http"} == {of["port"] for of in paths.values()}
    keys = {of["topologyKey"] for of in spec["topologySpreadConstraints"]}
    assert {"topology.kubernetes.io/zone", "kubernetes.io/hostname"} == keys
    # The pause before the stop and the ten seconds in which what was asked is answered.
    assert spec["terminationGracePeriodSeconds"] > 20
    assert 0 == deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]
    assert "replicas" not in deployment["spec"]


def test_whoever_names_the_service_means_its_pods(built: list[Manifest]) -> None:
    labels = dict(pods(built))["sales-forecast"]["metadata"]["labels"]
    (deployment,) = of_kind(built, "Deployment")
    (service,) = of_kind(built, "Service")
    (budget,) = of_kind(built, "PodDisruptionBudget")
    (scaler,) = of_kind(built, "HorizontalPodAutoscaler")
    closed, opened = sorted(
        of_kind(built, "NetworkPolicy"), key=lambda one: one["metadata"]["name"]
    )
    for chosen in (
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        budget["spec"]["selector"]["matchLabels"],
        opened["spec"]["podSelector"]["matchLabels"],
    ):
        assert chosen.items() <= labels.items()
    assert {} == closed["spec"]["podSelector"]
    assert "ingress" not in closed["spec"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    for job in ("weekly", "train"):
        theirs = dict(pods(built))[f"sales-forecast-{job}"]["metadata"]["labels"]
        assert not service["spec"]["selector"].items() <= theirs.items()


def test_jobs_are_the_commands_never_two_at_a_time_and_by_a_clock_that_says_its_zone(
    built: list[Manifest],
) -> None:
    jobs = {one["metadata"]["name"]: one["spec"] for one in of_kind(built, "CronJob")}
    commands = {}
    for name, spec in jobs.items():
        assert ("Etc/UTC", "Forbid") == (spec["timeZone"], spec["concurrencyPolicy"])
        assert spec["startingDeadlineSeconds"] > 3600
        assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 3600
        (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        commands[name] = container["args"]
        assert container["image"].endswith(":train")
    assert {
        "sales-forecast-weekly": ["python", "monitor.py", "run"],
        "sales-forecast-train": ["python", "train.py", "--if-changed"],
    } == commands
    assert "0 6 * * 1" == jobs["sales-forecast-weekly"]["schedule"]
    assert jobs["sales-forecast-train"]["suspend"]
    (deployment,) = of_kind(built, "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":serve")


def test_on_eks_it_is_reached_over_https_and_measured() -> None:
    built = [*yaml.safe_load_all(build("eks"))]
    (ingress,) = of_kind(built, "Ingress")
    (monitor,) = of_kind(built, "ServiceMonitor")
    (service,) = of_kind(built, "Service")
    notes = ingress["metadata"]["annotations"]
    assert '[{"HTTPS": 443}]' == notes["alb.ingress.kubernetes.io/listen-ports"]
    assert "/ready" == notes["alb.ingress.kubernetes.io/healthcheck-path"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert ("/metrics", "http", True) == tuple(
        endpoint[of] for of in ("path", "port", "honorLabels")
    )
    assert monitor["spec"]["selector"]["matchLabels"].items() <= (
        service["metadata"]["labels"].items()
    )


def test_no_secret_is_written_down() -> None:
    text = "".join(build(overlay) for overlay in OVERLAYS)
    assert not re.search(r"PASSWORD|API_KEY|kind: Secret", text)


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The program that the lock makes."""
    if os.environ.get("KUBERNETES") != "1":
        pytest.skip("KUBERNETES=1 makes kubernetes-validate, of 110 MB, and validates strictly")
    with locked("kubernetes", tmp_path_factory.mktemp("kubernetes")) as programs:
        yield programs / "kubernetes-validate"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_four_versions_of_kubernetes_take_all_of_it(
    validator: Path, overlay: str, tmp_path: Path
) -> None:
    """But the kind of the Prometheus operator, which is none of Kubernetes."""
    file = tmp_path / "all.yaml"
    asked = [word for version in VERSIONS for word in ("-k", version)]

    def validated(documents: list[Manifest]) -> tuple[int, str]:
        file.write_text(yaml.safe_dump_all(documents))
        done = subprocess.run(
            [validator, *asked, "--strict", file], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    whole = [*yaml.safe_load_all(build(overlay))]
    documents = [one for one in whole if one["kind"] != "ServiceMonitor"]
    code, said = validated(documents)
    assert 0 == code, said
    assert len(VERSIONS) * len(documents) == said.count(" passed for resource ")
    documents[-1]["spec"] = {"nonsense": 1}
    assert 0 != validated(documents)[0]
