"""What is known before any resource: settings, clients of AWS, its errors and its prices."""
