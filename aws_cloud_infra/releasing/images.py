"""Images made deployable, and taken back.

`infra.py apply` deploys the newest image whose tag says what it is, so no image gets such a tag
before AWS has scanned it: `push` uploads it as `candidate-TAG`, which nobody deploys. Takes images
of the local Docker, gives tags in the registry. Deploys nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.releasing import gate
from aws_cloud_infra.releasing.gate import Judgement, Refused
from aws_cloud_infra.releasing.registry import Registry, tag_of
from aws_cloud_infra.resources.containers.repository import CANDIDATE


def judge(reports: Sequence[Path], accepted: Sequence[str] = ()) -> None:
    """Judge images before they are pushed, by reports of Grype. Raises Refused as `push` does."""
    judged = {}
    for report in reports:
        findings = gate.from_reports([report])
        judged[str(report)] = gate.judge(findings, accepted)
        print(f"{report}: {gate.counted(findings, judged[str(report)])}")
    _refuse_what_counts(judged)


def push(
    aws: Aws,
    images: Mapping[str, str],
    accepted: Sequence[str] = (),
    reports: Sequence[Path] = (),
) -> None:
    """Upload images, given as tag and local name, and make all of them deployable, or none.

    Findings named in `accepted` count no more; `reports` of Grype say what has no mended version.
    Raises Refused for any other critical one, and where a newer image is released already. What an
    earlier run did is not done again, but for an image that could never be released.
    """
    known = gate.from_reports(reports)
    registry = Registry(aws)
    for tag in images:
        if registry.is_index(CANDIDATE + tag):
            registry.remove(CANDIDATE + tag)
    missing = {tag: local for tag, local in images.items() if not registry.find(CANDIDATE + tag)}
    if missing:
        registry.log_in()
    for tag, local in missing.items():
        registry.upload(local, CANDIDATE + tag)
        print(f"{CANDIDATE}{tag}: pushed")
    for tag in images:
        _refuse_if_a_newer_one_is_released(registry, tag)
    judged = {}
    for tag in images:
        findings = registry.findings(CANDIDATE + tag)
        judged[CANDIDATE + tag] = gate.judge(findings, accepted, known)
        print(f"{CANDIDATE}{tag}: {gate.counted(findings, judged[CANDIDATE + tag])}")
    _refuse_what_counts(judged)
    for tag in images:
        if not registry.find(tag):
            registry.add(tag, to=CANDIDATE + tag)
        print(f"{tag}: released, for `infra.py apply` to deploy")


def withdraw(aws: Aws, tags: Sequence[str], *, forget: bool = False) -> None:
    """Let images be deployed no more: the next `infra.py apply` returns to those before them.

    They stay as candidates, to be looked into or released again; with `forget` they do not, so that
    others can be pushed under the same tags.
    """
    registry = Registry(aws)
    for tag in tags:
        # An image without any tag would be deleted, and could not be looked into.
        if not forget and registry.find(tag) and not registry.find(CANDIDATE + tag):
            registry.add(CANDIDATE + tag, to=tag)
        registry.remove(tag)
        if forget:
            registry.remove(CANDIDATE + tag)
        print(f"{tag}: withdrawn; what was released before it counts again")


def _refuse_what_counts(judged: Mapping[str, Judgement]) -> None:
    """Raise Refused if anything critical is found that has a remedy, or may have one."""
    named = [f"{name} in {where}" for where, item in judged.items() for name in item.refused]
    unsure = [f"{name} in {where}" for where, item in judged.items() for name in item.unknown]
    if not named and not unsure:
        return
    said = [f"Not released, {len(named) + len(unsure)} critical:"]
    if named:
        said.append(f"{', '.join(named)}. There is a mended version: build anew.")
    if unsure:
        said.append(
            f"{', '.join(unsure)}. AWS does not say whether there is a mended version: give "
            "--report with what Grype says."
        )
    said.append("Or accept it by name (docs/deploy.md, When the scan fails).")
    raise Refused(" ".join(said))


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
