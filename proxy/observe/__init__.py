"""What every plane may call: the log."""
