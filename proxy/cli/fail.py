"""End a command with a sentence that says what is wrong, and a status that says whose it is."""

from __future__ import annotations

from typing import IO, Any

import click

from proxy.cli.main import EXIT_FAILURE, EXIT_USAGE


class Failure(click.ClickException):
    """The message goes to stderr as it is: it begins with a file and line where there is one."""

    exit_code = EXIT_FAILURE

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it."""
        click.echo(self.message, err=file is None, file=file)


class WrongConfiguration(Failure):
    """The configuration or its secrets."""

    exit_code = EXIT_USAGE
