"""What AWS has to choose from, beside the sizes that the price table holds. Calls nothing."""

from __future__ import annotations

from functools import cache

import boto3

TASK_MEMORY: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16385, 1024)),
    4096: tuple(range(8192, 30721, 1024)),
}
"""Memory in MiB that Fargate offers for each number of CPU units (1024 a core)."""

LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557)
"""Days that CloudWatch can keep logs."""


_PARTITION = "aws"
_RESERVED = {
    "aws": "AWS keeps parameters and log groups",
    "ssm": "AWS keeps parameters",
    "sg-": "AWS refuses security groups",
    "internal-": "AWS refuses load balancers",
}
"""What a name must not begin with, and why."""


@cache
def regions() -> dict[str, str]:
    """Return every region, as boto3 has them in a large file, and its partition."""
    session = boto3.Session()
    return {
        region: partition
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ecs", partition)
    }


def known_region(region: str) -> str:
    """Return a region. Raises ValueError with those that there are."""
    partition = regions().get(region)
    if partition not in {_PARTITION, None}:
        raise ValueError(
            f"{region} is in {partition}, which has accounts, service names and prices of its own: "
            f"these scripts do not know them. Take a region of {_PARTITION}."
        )
    if partition is None:
        listed = ", ".join(sorted(name for name, at in regions().items() if at == _PARTITION))
        raise ValueError(f"{region} is not one of {listed}. Give AWS_REGION or `region`.")
    return region


def free_name(project: str) -> str:
    """Return the name of a project. Raises ValueError where AWS would not take what is named so."""
    for start, why in _RESERVED.items():
        if f"{project}-".startswith(start):
            raise ValueError(f"{project} cannot be a project: {why} whose names begin with {start}")
    return project
