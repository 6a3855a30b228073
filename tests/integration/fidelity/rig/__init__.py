"""What the comparisons stand on: shapes of requests, what the contract makes of them, a client."""
