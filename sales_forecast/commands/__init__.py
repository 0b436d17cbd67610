"""The words and files of command lines."""
