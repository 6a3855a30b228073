"""What is counted and written down of requests, where that is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.config.errors import ConfigError
from proxy.config.together import attempt


if TYPE_CHECKING:
    from proxy.access.audit import AuditFile
    from proxy.access.limits import Rates
    from proxy.config.errors import Problem
    from proxy.config.schema import Config
    from proxy.observe.log import Log


class Accounts:
    """The counts of the rates, and the audit.

    Args:
        config: settled.
        log: is told when one of them fails, and when it works again.

    Attributes:
        limiter: None where nothing can have a rate.
        audit: None where none is kept.

    Raises:
        ConfigError: the audit's file cannot be opened, the store is none, a library is missing;
            all of that.
    """

    def __init__(self, config: Config, log: Log) -> None:
        problems: list[Problem] = []
        self.limiter = attempt(lambda: limiter(config, log), problems)
        self.audit = attempt(lambda: _audit(config, log), problems)
        if problems:
            # Of the limiter nothing is open before it counts.
            if self.audit is not None:
                self.audit.close()
            raise ConfigError(*problems)

    async def stop(self) -> None:
        """Write what is left, and close; once or more often."""
        if self.audit is not None:
            self.audit.close()
        if self.limiter is not None:
            await self.limiter.close()


def limiter(config: Config, log: Log) -> Rates | None:
    """Return what counts requests, None where nothing can have a rate; nothing is connected to.

    Args:
        config: settled.
        log: is told when the store is away.

    Raises:
        ConfigError: the store is none, a library is missing.
    """
    rates = [route.limits.rate for route in config.routes.values()]
    rates += [client.rate for client in config.clients.values()]
    if not any(rates) and config.clients_file is None:
        return None
    store, on_error = config.limits.storage, config.limits.on_storage_error
    # The one line that reveals where the counts are: the address may hold a password.
    address = store if isinstance(store, str) else store.reveal().decode("utf-8")
    try:
        from proxy.access.limits import Rates  # noqa: PLC0415 -- half the time to ready

        return Rates(address, on_error, log)
    except ValueError as error:
        raise ConfigError(config.problem_at(("limits", "storage"), str(error))) from None
    except ImportError as error:
        message = f"rates need {error.name}: pip install 'keybearer[gateway]'"
        raise ConfigError(config.problem_at(("limits",), message)) from None


def _audit(config: Config, log: Log) -> AuditFile | None:
    kept = config.audit
    if kept is None:
        return None
    from proxy.access.audit import AuditError, AuditFile  # noqa: PLC0415 -- only where it is kept

    try:
        return AuditFile(kept.file, kept.max_size, kept.keep, kept.on_error, log)
    except AuditError as error:
        raise ConfigError(config.problem_at(("audit", "file"), str(error))) from None
