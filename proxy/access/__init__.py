"""Who may do what, how often, and what is written down of it."""
