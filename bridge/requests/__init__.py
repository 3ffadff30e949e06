"""Requests of operators: from a row that the console wrote to a poll, a registration or a replayed dead letter."""
