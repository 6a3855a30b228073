"""Keybearer as it is installed beside the interpreter that runs the benchmark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import TOKEN, Launch


if TYPE_CHECKING:
    from benchmarks.peers import Site


VARIABLE = "BENCH_MICROREACT_TOKEN"
CONFIG = """\
listen: 127.0.0.1:{port}
routes:
  microreact:
    preset: microreact
    upstream: http://127.0.0.1:{upstream_port}
    token: {{env: {variable}}}
    rules:
      - {{paths: [/api/admin/**], action: deny}}
      - {{methods: [GET, HEAD, POST], paths: ["/api/projects/**", "/api/files/*"], action: allow}}
"""


class Keybearer:
    """Keybearer with a preset, policy rules and its JSON log."""

    name = "Keybearer"

    def launch(self, site: Site) -> Launch:
        """The proxy's configuration and command."""
        file = site.directory / "config.yaml"
        values = {"port": site.port, "upstream_port": site.upstream_port, "variable": VARIABLE}
        file.write_text(CONFIG.format(**values))
        command = str(Path(sys.executable).parent / "keybearer")
        return Launch([command, "run", "-c", str(file)], {VARIABLE: TOKEN})
