"""Who calls, and what they may: clients' keys and their file, tokens, rates, the audit."""
