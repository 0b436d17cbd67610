"""What the world outside says: rows of any database, and what others know of days to come."""
