"""The embedded Postgres: its binaries, its data directory and its process."""
