"""Who calls, and what they may: clients' keys and their file, tokens, rates, the audit.

`keys` (what a key is; pure), `yamltext` and `yamledit` (YAML text, and changes to it that leave
every other byte alone), `clientstext` and `clientsedit` (what such text says of keys, and what
adding and revoking one means), `clientsfile` (the same in a file, under a lock and at once).
"""
