"""Issues and deliveries: their states, what became of each email, rate limits and the circuit breaker."""
