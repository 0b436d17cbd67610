"""Sales as the rest of the package knows them: panel, calendar, files, database."""
