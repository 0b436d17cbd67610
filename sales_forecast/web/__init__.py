"""The planner's page: what the service knows, for people, and served by the same application."""
