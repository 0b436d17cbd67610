"""Fetch a bundle from MLflow: what the service runs as a child process.

    python -m sales_forecast.registry fetch models:/Sales-Forecasting@champion CACHE_DIR

So neither MLflow's memory nor its failures ever reach a request.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from sales_forecast.errors import RegistryError, SalesForecastError
from sales_forecast.registry.client import Registry
from sales_forecast.settings import load_settings

_ALIAS_URI = re.compile(r"models:/(?P<name>[^/@]+)@(?P<alias>[^/@]+)")


def main(arguments: list[str]) -> int:
    """Fetch the bundle that an alias names, and print its folder."""
    parser = argparse.ArgumentParser(prog="python -m sales_forecast.registry")
    commands = parser.add_subparsers(required=True)
    fetch = commands.add_parser("fetch", help="download what an alias names; prints the folder")
    fetch.add_argument("model_uri", help="models:/NAME@ALIAS")
    fetch.add_argument("cache_dir", type=Path)
    given = parser.parse_args(arguments)
    try:
        alias = _ALIAS_URI.fullmatch(given.model_uri)
        if alias is None:
            raise RegistryError(f"{given.model_uri} is not of the form models:/NAME@ALIAS")
        registry = Registry(load_settings().mlflow_tracking_uri, given.cache_dir)
        folder = registry.fetch(alias["name"], alias["alias"])
        if folder is None:
            raise RegistryError(f"{given.model_uri} names nothing. Run `python train.py` first.")
    except SalesForecastError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
