"""What the internet reaches: the load balancer, and where it sends requests."""
