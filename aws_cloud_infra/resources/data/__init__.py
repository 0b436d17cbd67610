"""What is kept: files, a database, secrets and parameters."""
