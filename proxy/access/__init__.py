"""Who calls, and what they may: clients' keys and their file, tokens, rates, the audit.

`keys` (what a key is; pure), `yamltext` (changes to YAML text that leave every other byte alone),
`clientstext` (a new client, a new key, a revoked one, in such text; pure), `clientsfile` (the same
in a file, under a lock and atomically).

`compact` (what a JWT says, unverified; pure), `claims` (whose claims they are; pure), `keyset` (an
issuer's public keys; the one that knows PyJWT), `fetch` (a document, in bounds), `issuers` (keys
kept and renewed), `tokens` (all of it: whose a token is).
"""
