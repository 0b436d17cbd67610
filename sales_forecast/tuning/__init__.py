"""Hyperparameters, searched on weeks before the reported ones."""
