"""A log that is kept in memory."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from proxy.observe.log import Log


class Written:
    """A log, and what has been written to it.

    Attributes:
        log: the log.
    """

    def __init__(self) -> None:
        self._stream = BytesIO()
        self.log = Log(stream=self._stream)

    @property
    def text(self) -> str:
        """All of it."""
        self.log.flush()
        return self._stream.getvalue().decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The same, line by line."""
        return [json.loads(line) for line in self.text.splitlines()]
