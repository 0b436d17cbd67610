"""Answers that were given, each kept as it was."""
