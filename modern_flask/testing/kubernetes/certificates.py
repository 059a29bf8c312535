"""A CA and a certificate that live as long as a test."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

__all__ = ["write_certificates"]


def write_certificates(folder: Path) -> ssl.SSLContext:
    """Make a CA (``ca.crt``) and, by it, a server certificate for this machine."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        for name in ("kubernetes", "kube-apiserver")
    ]
    addresses: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(IPv4Address("127.0.0.1")),
    ]
    issuer = x509.SubjectKeyIdentifier.from_public_key(keys[0].public_key())
    identity = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)
    # From 3.13 on Python verifies strictly (RFC 5280): a CA must say what it may sign.
    may_sign = x509.KeyUsage(
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
    extensions: list[list[tuple[x509.ExtensionType, bool]]] = [
        [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (may_sign, True),
            (issuer, False),
        ],
        [(x509.SubjectAlternativeName(addresses), False), (identity, False)],
    ]
    for index, file in enumerate(("ca.crt", "server.crt")):
        builder = (
            x509.CertificateBuilder(names[0], names[index], keys[index].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
        )
        for extension, critical in extensions[index]:
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(keys[0], hashes.SHA256())
        (folder / file).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        keys[1].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context
