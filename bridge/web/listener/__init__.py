"""The callback that sources post their notifications to."""
