"""What changed, told to the followers of /stream."""
