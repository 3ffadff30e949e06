"""The local journal: answered notifications that Postgres has not got yet."""
