"""Open a file that somebody may exchange for something else while the service runs."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO


def regular(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        OSError: it cannot be opened, or is no regular file: reading a pipe or a terminal could wait
            for ever, and the end of the process for that.
        ValueError: the path is none.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "no regular file")
    return file
