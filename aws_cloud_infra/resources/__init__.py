"""One small class a kind of AWS resource. None knows a stack, and none prints."""
