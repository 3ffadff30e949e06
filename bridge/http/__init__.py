"""Code shared by the clients of all remote systems: authorisation, circuit breaker, answers read with limits."""
