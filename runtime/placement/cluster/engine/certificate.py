"""The engine's certificate: made once, signed by itself, and known to nodes by its fingerprint."""

from __future__ import annotations

import hashlib
import socket
import ssl
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Final

from runtime.errors import ConfigError

_YEARS: Final = 20
_LOOK_S: Final = 5.0


def made() -> tuple[str, str]:
    """A new certificate and its key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bulkhead engine")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bulkhead")]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), secret.decode()


def fingerprint(pem: str) -> str:
    """Its SHA-256, in hexadecimal."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def seen_at(host: str, port: int, expected: str) -> str:
    """The certificate of the engine there, as PEM, if it is the one with that fingerprint.

    Blocks for some seconds at most.

    Raises:
        ConfigError: Nobody answers, or somebody else does.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with closing(socket.create_connection((host, port), timeout=_LOOK_S)) as plain:
            greeting = plain.recv(1)
            while not greeting.endswith(b"\n") and len(greeting) < 8192:  # byte for byte: TLS follows it
                if not (more := plain.recv(1)):
                    break
                greeting += more
            if not greeting.startswith(b"INFO "):
                raise OSError("no engine answers there")
            with context.wrap_socket(plain, server_hostname="bulkhead") as secured:
                found = secured.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise ConfigError(
            f"the engine at {host}:{port} cannot be reached: {error}",
            cure="Check the address, that `bulkhead serve --nodes` runs there, and the network between.",
        ) from error
    if hashlib.sha256(found).hexdigest() != expected:
        raise ConfigError(
            f"the engine at {host}:{port} is not the one of this token",
            cure="Somebody else listens there, or its state folder was made anew: ask for another token.",
        )
    return ssl.DER_cert_to_PEM_cert(found)
