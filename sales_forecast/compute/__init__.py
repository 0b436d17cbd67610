"""Where work on many series runs."""
