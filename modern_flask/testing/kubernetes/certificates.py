"""A CA and a server certificate, valid for a day."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    Extension = tuple[x509.ExtensionType, bool]  # and whether it is critical

__all__ = ["write_certificates"]


def write_certificates(folder: Path) -> ssl.SSLContext:
    """Write a CA (``ca.crt``) and a certificate that it signs for this machine."""
    from cryptography import x509

    ca, server = _Party("kubernetes"), _Party("kube-apiserver")
    issuer = x509.SubjectKeyIdentifier.from_public_key(ca.key.public_key())
    addresses: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(IPv4Address("127.0.0.1")),
    ]
    identity = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)
    (folder / "ca.crt").write_bytes(
        ca.sign(
            ca,
            [
                (x509.BasicConstraints(ca=True, path_length=None), True),
                (_make_key_usage(), True),
                (issuer, False),
            ],
        )
    )
    (folder / "server.crt").write_bytes(
        ca.sign(
            server,
            [(x509.SubjectAlternativeName(addresses), False), (identity, False)],
        )
    )
    (folder / "server.key").write_bytes(server.encode_key())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context


@dataclass
class _Party:
    """A name and its key: the CA, or the server."""

    name: str

    def __post_init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self.key: EllipticCurvePrivateKey = ec.generate_private_key(ec.SECP256R1())

    @property
    def subject(self) -> x509.Name:
        from cryptography import x509

        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name)])

    def sign(self, other: _Party, extensions: Sequence[Extension]) -> bytes:
        """Sign a certificate of ``other`` for one day, and return it in PEM."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(self.subject, other.subject, other.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    def encode_key(self) -> bytes:
        """Return the key in PEM, unencrypted."""
        from cryptography.hazmat.primitives import serialization

        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def _make_key_usage() -> x509.KeyUsage:
    """Make the key usage of a CA. Python 3.13 requires it (RFC 5280, 4.2.1.3)."""
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
