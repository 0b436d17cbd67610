"""The verbs of `release.py`: push, withdraw, check. Deploys nothing itself."""
