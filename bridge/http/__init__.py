"""What the clients of all remote systems share: authorisation, circuit breaker, answers read with limits."""
