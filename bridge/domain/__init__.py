"""Frozen values and pure decisions. Nothing here does I/O, reads a clock or knows a library of the outside."""
