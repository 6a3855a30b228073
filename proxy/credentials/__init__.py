"""Where secrets come from, and the state they are in."""
