"""Images made deployable, and taken back.

`infra.py apply` deploys the newest image whose tag says what it is, so no image gets such a tag
before AWS has scanned it: `push` uploads it as `candidate-TAG`, which nobody deploys. Takes images
of the local Docker, gives tags in the registry. Deploys nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.releasing.registry import Refused, Registry, tag_of
from aws_cloud_infra.resources.containers.repository import CANDIDATE

_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED", "UNDEFINED")


def push(aws: Aws, images: Mapping[str, str], accepted: Sequence[str] = ()) -> None:
    """Upload images, given as tag and local name, and make all of them deployable, or none.

    Findings named in `accepted` count no more. Raises Refused for any other critical one, and
    where a newer image is released already. What an earlier run did is not done again.
    """
    registry = Registry(aws)
    missing = {tag: local for tag, local in images.items() if not registry.find(CANDIDATE + tag)}
    if missing:
        registry.log_in()
    for tag, local in missing.items():
        registry.upload(local, CANDIDATE + tag)
        print(f"{CANDIDATE}{tag}: pushed")
    for tag in images:
        _refuse_if_a_newer_one_is_released(registry, tag)
    critical = []
    for tag in images:
        findings = registry.findings(CANDIDATE + tag)
        print(f"{CANDIDATE}{tag}: {_counted(findings)}")
        critical += [
            f"{name} in {CANDIDATE}{tag}"
            for severity, name in findings
            if severity == "CRITICAL" and name not in accepted
        ]
    if critical:
        raise Refused(
            f"Not released, {len(critical)} critical: {', '.join(critical)}. Build on a base image "
            "without it, or accept it by name (docs/deploy.md, When the scan fails)."
        )
    for tag in images:
        if not registry.find(tag):
            registry.add(tag, to=CANDIDATE + tag)
        print(f"{tag}: released, for `infra.py apply` to deploy")


def withdraw(aws: Aws, tags: Sequence[str]) -> None:
    """Let images be deployed no more: the next `infra.py apply` returns to those before them."""
    registry = Registry(aws)
    for tag in tags:
        # An image without any tag would be deleted, and could not be looked into.
        if registry.find(tag) and not registry.find(CANDIDATE + tag):
            registry.add(CANDIDATE + tag, to=tag)
        registry.remove(tag)
        print(f"{tag}: withdrawn; what was released before it counts again")


def _refuse_if_a_newer_one_is_released(registry: Registry, tag: str) -> None:
    ours, kind = registry.find(CANDIDATE + tag), f"{tag.split('-', maxsplit=1)[0]}-"
    newer = [
        tag_of(image, kind)
        for image in registry.released(kind)
        if ours and image["imagePushedAt"] > ours["imagePushedAt"]
    ]
    if newer:
        raise Refused(
            f"{tag} was built before {', '.join(newer)}, which stays deployed. To go back, revert "
            "the commit, or withdraw what is newer (docs/deploy.md, Rolling back)."
        )


def _counted(findings: Sequence[tuple[str, str]]) -> str:
    severities = [severity for severity, _ in findings]
    counts = [f"{severities.count(item)} {item}" for item in _SEVERITIES if item in severities]
    return f"scanned, {', '.join(counts) or 'nothing found'}"
