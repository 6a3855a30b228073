"""What the tests with real tools stand on: the command, stand-ins beside it, nginx, /etc/hosts."""
