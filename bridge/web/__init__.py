"""The HTTP front doors: the listener, health and metrics. Nothing here decides anything about service problems."""
