"""`keybearer`: finds the command and tells errors in one line each."""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib import import_module
from typing import Final

import click

from proxy import __version__
from proxy.process.private import keep_private


EXIT_FAILURE: Final = 1
"""Something failed while running: a port in use, a failed probe."""
EXIT_USAGE: Final = 2
"""The command line or the configuration is wrong."""

MANY_OBJECTS: Final = 200_000
"""So many containers are made before garbage is looked for, where no other pace is set. A start
makes half as many, and nearly all of them stay: to look for garbage among CPython's 700, and again
among all of them, would find next to nothing, in a tenth of the time to ready."""

# By default each ends the process, with the requests under way; a closed terminal, logrotate and
# timers send them. Some are Linux's alone.
_HARMLESS_SIGNALS: Final = (
    *("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR"),
    *("SIGSTKFLT", "SIGEMT"),
)
_LATER_COMMANDS: Final = frozenset(
    {"add", "secret", "login", "explain", "exec", "env", "top", "reload", "ca"}
)
_SERVICES: Final = frozenset({"run", "demo"})
_COMMANDS: Final = ("run", "demo", "check", "schema", "presets", "keys", "healthcheck")


class _Commands(click.Group):
    """Loads a command's file when it is called: `schema` need not wait for the event loop."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(_COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in _LATER_COMMANDS:
            ctx.fail(f"{args[0]} is not supported yet")
        if args and args[0] in _SERVICES:
            end_at_once()
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"proxy.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="keybearer", message="%(prog)s %(version)s")
def commands() -> None:
    """Put API tokens on the requests of tools that must not know them."""


def main() -> None:
    """Run the command line; the one exit of the program."""
    gc.set_threshold(MANY_OBJECTS)
    exposed = own_process()
    _open_standard_streams()
    # What else is installed here need not see the configuration, nor be looked for at each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # What is decrypted with the keys of our sessions holds credentials: no library may write them.
    os.environ.pop("SSLKEYLOGFILE", None)
    try:
        commands.main(prog_name="keybearer", standalone_mode=False, obj=exposed)
    except click.exceptions.NoArgsIsHelpError as help_shown:
        help_shown.show()
        sys.exit(EXIT_USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(128 + 2)
    except OSError as error:
        # What is told could not be: stdout is on a full disk, say.
        click.echo(f"keybearer: {error.strerror or error}", err=True)
        sys.exit(EXIT_FAILURE)


def end_at_once() -> None:
    """Let SIGTERM and SIGQUIT be a clean stop until the loop runs: nothing is under way yet."""

    def end(_number: int, _frame: object) -> None:
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, end)


def own_process() -> list[str]:
    """Let no signal end the process by chance, and no other process read it.

    Returns:
        What the system did not do of the latter, for `run` and `demo` to log.
    """
    for name in _HARMLESS_SIGNALS:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
    return keep_private()


def _open_standard_streams() -> None:
    """Open /dev/null for the streams that were closed before the start (`keybearer run >&-`).

    Else sockets would get their numbers, which libuv aborts on, and prints would go to clients.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_RDWR)
            stream = open(number, "r" if number == 0 else "w", closefd=False)  # noqa: SIM115 -- kept open
            setattr(sys, name, stream)
