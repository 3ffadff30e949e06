"""Postgres: the only place that knows asyncpg. Stores are modules of functions; the caller owns the transaction."""
