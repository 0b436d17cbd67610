"""The verbs of `release.py`: judge, push, withdraw, check. Deploys nothing itself."""
