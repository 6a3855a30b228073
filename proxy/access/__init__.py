"""Who calls, and what they may: clients' keys and their file, tokens, rates, the audit.

`registry` (whose a key, a token or a certificate is), `throttle` (brakes those who try keys).

`keys` (what a key is; pure), `yamltext` and `yamledit` (YAML text, and changes to it that leave
every other byte alone), `clientstext` and `clientsedit` (what such text says of keys, and what
adding and revoking one means), `clientsfile` (the same in a file, under a lock and at once).

`compact` (what a JWT says, unverified; pure), `claims` (whose claims they are; pure), `keyset` (an
issuer's public keys; the one that knows PyJWT), `fetch` (a document, in bounds), `issuers` (keys
kept and renewed), `tokens` (all of it: whose a token is).

`limits` (rates: who is over them), `windows` (counted here), `shared` and `breaker` (counted in a
Redis, and what if it is away), `counts` (what both are).

`audit` (a line for each decision), `journal`, `mend`, `place` and `rotation` (its file).
"""
