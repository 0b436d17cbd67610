"""Forecasters, all behind the one protocol of `base`."""
