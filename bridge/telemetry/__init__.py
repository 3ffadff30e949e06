"""Metrics, logs, exemplars, redaction of secrets, and what systemd is told."""
