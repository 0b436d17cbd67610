"""What AWS has to choose from, beside the sizes that the price table holds. Calls nothing."""

from __future__ import annotations

from functools import cache
from itertools import chain

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


@cache
def regions() -> tuple[str, ...]:
    """Return every region of every partition, as boto3 has them: a large file."""
    session = boto3.Session()
    partitions = session.get_available_partitions()
    found = (session.get_available_regions("ecs", partition) for partition in partitions)
    return tuple(sorted(chain.from_iterable(found)))
