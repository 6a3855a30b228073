"""What the integration tests stand on: a raw upstream, a proxy in this process, a raw client."""
