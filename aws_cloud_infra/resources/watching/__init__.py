"""How one sees what goes on: logs, alarms and a dashboard."""
