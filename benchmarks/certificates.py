"""A certificate authority made for one run, and the upstream's certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trustme

from benchmarks.peers import UPSTREAM_NAME


if TYPE_CHECKING:
    from pathlib import Path


def certify(directory: Path) -> tuple[Path, Path]:
    """Writes the CA, and a certificate with its key; returns both files."""
    directory.mkdir(parents=True)
    authority = trustme.CA()
    ca, certificate = directory / "ca.pem", directory / "upstream.pem"
    authority.cert_pem.write_to_path(ca)
    issued = authority.issue_cert(UPSTREAM_NAME, "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)
    return ca, certificate
