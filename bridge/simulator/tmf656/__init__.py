"""A scriptable TMF656 server: v2, v3, R18.5, v4 and v5, a population that changes, and faults on demand."""
