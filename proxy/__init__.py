"""Keybearer: a local authenticating reverse proxy.

Two planes. The control plane (`cli`, `process`, `config`, `credentials`) reads files and the
environment and refuses doubt; the data plane (`dataplane`, `upstream`) carries requests and sees
one immutable snapshot. `docs/ARCHITECTURE.md` is the map, `dataplane/handler.py` a request's way.
"""

__version__ = "0.1.0"
