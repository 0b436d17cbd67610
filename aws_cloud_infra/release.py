"""What the pipeline does with images: push, withdraw, check. See docs/deploy.md.

    release.py push sales-forecast:serve serve-1 sales-forecast:train train-1
    release.py withdraw serve-1 train-1
    release.py check

`infra.py apply` deploys the newest image whose tag says what it is, so no image gets such a tag
before AWS has scanned it: `push` uploads it as `candidate-TAG`, which nobody deploys. Takes images
of the local Docker, gives tags in the registry. Deploys nothing itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# As a script: import the package from beside its folder, not its modules as if they were libraries.
if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import client
from aws_cloud_infra.aws import Aws
from aws_cloud_infra.errors import AWS_ERRORS, translate
from aws_cloud_infra.registry import Refused, Registry, tag_of
from aws_cloud_infra.resources.balancer import LoadBalancer
from aws_cloud_infra.resources.images import CANDIDATE
from aws_cloud_infra.settings import load_settings
from aws_cloud_infra.stacks import both
from sales_forecast.errors import SalesForecastError

_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED", "UNDEFINED")
_ATTEMPTS = 30  # a minute and a half: a load balancer takes a while to let a new task in


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


def check(aws: Aws, url: str | None, attempts: int) -> None:
    """Ask the deployed service the two examples, with its API key, which is shown to nobody.

    Raises Refused where it does not answer them. Only the first release of an account may lack a
    model: until one is deployed, none can be trained.
    """
    stack = both(aws)[0]
    balancers = [item for item in stack.own if isinstance(item, LoadBalancer)]
    outputs = stack.outputs({item: live for item in balancers if (live := item.find())})
    url = url or outputs["service_url"]
    if not url:
        raise Refused("There is no load balancer yet. Run `infra.py apply` first.")
    if url == outputs["service_url"] and aws.settings.certificate_arn:
        raise Refused(
            f"The certificate is not for {url}: give --url, or the variable SERVICE_URL in the "
            "pipeline, with the name that it is for."
        )
    secret = aws.client("secretsmanager").get_secret_value(SecretId=outputs["api_key_secret"])
    key = str(secret["SecretString"])
    try:
        with client.SalesForecastClient(url, key, attempts=attempts) as asked:
            ready = asked.ready()
    except client.ClientError as error:
        if error.code == "not_ready" and len(Registry(aws).released("serve-")) == 1:
            print(f"{url} runs, and waits for its first model: {error.message}")
            print("Load sales and train one: docs/deploy.md, steps 5 and 6.")
            return
        raise Refused(f"{url} does not answer as it should: {error.message}") from error
    print(f"{url} serves model {ready['model_version']}.")
    if client.main(["--url", url, "--api-key", key]):
        raise Refused(f"{url} is ready, but refuses the examples of client.py: see above.")


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Release images: see docs/deploy.md.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings: see docs/aws.md")
    verbs = parser.add_subparsers(dest="verb", required=True)
    pushing = verbs.add_parser("push", help="upload, wait for the scan, release all or none")
    pushing.add_argument("images", nargs="+", metavar="IMAGE TAG", help="local image, its tag")
    pushing.add_argument("--accept", default="", metavar="CVE,...", help="findings to live with")
    withdrawing = verbs.add_parser("withdraw", help="let images be deployed no more")
    withdrawing.add_argument("tags", nargs="+", metavar="TAG")
    checking = verbs.add_parser("check", help="ask the deployed service")
    checking.add_argument("--url", help="instead of the load balancer's")
    checking.add_argument("--attempts", type=int, default=_ATTEMPTS, help=f"default: {_ATTEMPTS}")
    return parser


def run(aws: Aws, arguments: argparse.Namespace) -> None:
    """Run one verb."""
    if arguments.verb == "push":
        pairs = dict(zip(arguments.images[1::2], arguments.images[::2], strict=True))
        push(aws, pairs, arguments.accept.replace(",", " ").split())
    elif arguments.verb == "withdraw":
        withdraw(aws, arguments.tags)
    else:
        check(aws, arguments.url, arguments.attempts)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return 0, or 1 with a one-line reason, or 2 for wrong usage."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.verb == "push" and len(arguments.images) % 2:
        parser.error("push takes pairs: a local image and its tag, once or several times")
    try:
        run(Aws(load_settings(arguments.config)), arguments)
    except SalesForecastError as error:
        print(error.message, file=sys.stderr)
        return 1
    except AWS_ERRORS as error:
        print(translate(error, "The registry", lambda _: None).message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
