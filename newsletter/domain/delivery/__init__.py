"""Issues and deliveries: their states, the outcome of each email, rate limits, circuit breaker, sending processes."""
