"""What may be released: findings of scanners, judged. Takes findings, gives those that count.

A critical finding counts where a mended version is known, for then it can be had. Without one
nobody could ever release, so it is shown and let pass. ECR's basic scan says nothing of that: the
report of a scanner that does, Grype's, is asked. Prints nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cloud_infra.account.errors import InfraError

_SEVERITIES = (
    "CRITICAL", "HIGH", "MEDIUM", "LOW", "NEGLIGIBLE", "INFORMATIONAL", "UNTRIAGED", "UNDEFINED",
    "UNKNOWN",
)  # fmt: skip
_COUNTS = "CRITICAL"


class Refused(InfraError):
    """An image that may not be deployed, or a release that does not answer."""

    code = "release_refused"


@dataclass(frozen=True)
class Finding:
    """Something known to be wrong in an image."""

    name: str
    """Such as CVE-2025-0001."""
    severity: str
    mended: bool | None
    """Whether there is a version without it; None where the scanner does not say."""


@dataclass(frozen=True)
class Judgement:
    """The critical findings of an image, by what is to be done about them."""

    refused: tuple[str, ...]
    unknown: tuple[str, ...]
    """Refused as well: nobody says whether there is a mended version."""
    without_remedy: tuple[str, ...]
    accepted: tuple[str, ...]


def from_ecr(page: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what a scan of ECR found, basic or enhanced."""
    for item in page.get("findings", ()):
        yield Finding(item["name"], item["severity"], None)
    for item in page.get("enhancedFindings", ()):
        details = item.get("packageVulnerabilityDetails", {})
        mended = {"YES": True, "PARTIAL": True, "NO": False}.get(item.get("fixAvailable", ""))
        name = details.get("vulnerabilityId", item["findingArn"])
        yield Finding(name, item["severity"], mended)


def from_reports(files: Iterable[Path]) -> list[Finding]:
    """Read reports of Grype in its own JSON. Raises Refused for a file that is none."""
    findings = []
    for file in files:
        try:
            for match in json.loads(file.read_text(encoding="utf-8"))["matches"]:
                found = match["vulnerability"]
                mended = found.get("fix", {}).get("state") == "fixed"
                findings.append(Finding(found["id"], found["severity"].upper(), mended))
        except OSError as error:
            raise Refused(f"{file} cannot be read: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refused(f"{file} is no report of Grype: `grype IMAGE -o json`.") from None
    return findings


def judge(
    findings: Iterable[Finding], accepted: Collection[str], known: Sequence[Finding] = ()
) -> Judgement:
    """Sort the critical ones. `known` are findings of others, which may know what these do not."""
    mended: dict[str, bool] = {}
    for item in known:
        if item.mended is not None:
            mended[item.name] = item.mended or mended.get(item.name, False)
    sorted_out: dict[str, set[str]] = {}
    for item in findings:
        if item.severity == _COUNTS:
            says = mended.get(item.name) if item.mended is None else item.mended
            kinds = {True: "refused", None: "unknown", False: "without_remedy"}
            kind = "accepted" if item.name in accepted else kinds[says]
            sorted_out.setdefault(kind, set()).add(item.name)
    return Judgement(**{
        kind: tuple(sorted(sorted_out.get(kind, ())))
        for kind in ("refused", "unknown", "without_remedy", "accepted")
    })  # fmt: skip


def counted(findings: Sequence[Finding], judgement: Judgement) -> str:
    """Return how many there are of each severity, and which critical ones are let pass."""
    severities = [item.severity for item in findings]
    counts = [f"{severities.count(item)} {item}" for item in _SEVERITIES if item in severities]
    said = f"scanned, {', '.join(counts) or 'nothing found'}"
    for names, why in (
        (judgement.without_remedy, "no mended version"),
        (judgement.accepted, "accepted"),
    ):
        if names:
            said += f"; let pass, {why}: {', '.join(names)}"
    return said
