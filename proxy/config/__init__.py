"""The configuration file: from YAML text to one frozen `Config`, or every error in it at once.

In the order a file passes them: `source` (text → nodes that know their line) with `syntax` (what
to do about broken YAML), `interpolate` (nodes → plain tree), `values` and `fields` (texts →
values), `schema` (what may stand where), `presets` and `settle` (what a preset adds), `checks`
(rules across keys); `loader` shows the whole way. `errors` is what a reader gets otherwise.
"""
