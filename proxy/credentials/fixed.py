"""A credential that was read at start and stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from proxy.dataplane.model import CredentialState
    from proxy.secret import Secret


@dataclass(frozen=True, slots=True)
class FixedCredential:
    """Secrets for each slot of a scheme, or none.

    Attributes:
        name: for logs: its own in `credentials:`, or its route's.
        secrets: in the order of the slots; None: one of them could not be read.
        required: the process is not ready without it.
    """

    name: str
    secrets: tuple[Secret, ...] | None
    required: bool = True

    @property
    def state(self) -> CredentialState:
        """`ready` or `unavailable`."""
        return "unavailable" if self.secrets is None else "ready"

    def current(self) -> tuple[Secret, ...] | None:
        """Return the secrets."""
        return self.secrets
