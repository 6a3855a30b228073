"""What the soak tests stand on: an upstream of blocking sockets, and figures from /proc."""
