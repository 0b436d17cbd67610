"""What checks, stages and describes deliveries: functions, a job of Glue, its catalog."""
