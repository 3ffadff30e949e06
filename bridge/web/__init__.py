"""The HTTP server: the listener, changes as a stream, probes and metrics. It decides nothing about service problems."""
