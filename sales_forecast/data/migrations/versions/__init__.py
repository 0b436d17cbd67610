"""One module a revision. They are frozen: they import nothing that may change."""
