"""Pages for operators and probes: health, metrics, the description of our HTTP."""
