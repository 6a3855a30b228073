"""One HTTP/1.1 connection to an origin, the pool of an origin, and TLS.

`origin` (where), `tls` (how it is verified), `response` (what llhttp reads), `connection` (one
transport), `pool` (which connection), `sweep` (when a wait has lasted too long), `errors`.
"""
