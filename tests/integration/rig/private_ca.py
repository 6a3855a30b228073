"""Certificates as private authorities make them: without what RFC 5280 asks for, or wrong."""

from __future__ import annotations

import datetime as dt
import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


if TYPE_CHECKING:
    from pathlib import Path


_DAY: Final = dt.timedelta(days=1)
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH


class Issued(NamedTuple):
    """A certificate with its key."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.cert.public_bytes(serialization.Encoding.PEM)

    def write(self, path: Path) -> Path:
        """Write certificate and key to one file."""
        form = serialization.PrivateFormat.PKCS8
        key = self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        path.write_bytes(self.pem + key)
        return path

    def served(self, path: Path) -> ssl.SSLContext:
        """Return a server's context that shows it, and nothing above it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.write(path))
        return context


def authority(name: str = "CA", *, above: Issued | None = None, critical: bool = True) -> Issued:
    """Return an authority, its own or below another one."""
    builder, key = _builder(name, above)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical)
    if critical:
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    return _signed(builder, key, above)


def leaf(
    above: Issued,
    *,
    host: str = "127.0.0.1",
    purpose: x509.ObjectIdentifier | None = None,
    identified: bool = True,
    age: int = 0,
) -> Issued:
    """Return a certificate for a name or address.

    Args:
        above: who signs it.
        host: that it is for.
        purpose: the only use it is for.
        identified: it names the key of who signs it.
        age: days since it has ended.
    """
    builder, key = _builder("leaf", above, age=age)
    try:
        name: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        name = x509.DNSName(host)
    builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if identified:
        above_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key())
        builder = builder.add_extension(above_key, critical=False)
    return _signed(builder, key, above)


def _builder(
    name: str, above: Issued | None, *, age: int = 0
) -> tuple[x509.CertificateBuilder, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    ends = now - age * _DAY if age else now + _DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if above is None else above.cert.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - 10 * _DAY)
        .not_valid_after(ends)
    )
    return builder, key


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, above: Issued | None
) -> Issued:
    signer = key if above is None else above.key
    return Issued(builder.sign(signer, hashes.SHA256()), key)
