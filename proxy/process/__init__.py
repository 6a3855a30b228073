"""From a configuration to a running service, and to its end.

`provision` makes the snapshot, `listeners` binds, `service` starts and drains, `probe` asks.
"""
