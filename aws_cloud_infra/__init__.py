"""Both stacks on an AWS account of one's own: found, compared, and written with Boto3 alone."""
