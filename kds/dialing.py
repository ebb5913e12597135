"""Opens the channel from a zone to its global: plaintext, verified TLS, or TLS that trusts whom it finds there."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from cryptography import x509

from kds.transport import client_options
from kds.tuning import keepalive_of
from ursa.errors import ConfigError, Unavailable
from ursa.runtime.config.multizone import MultizoneZone, MultizoneZoneKds

DEFAULT_PORT = 5685
"""Of an address without a port."""


async def dial(settings: MultizoneZone) -> grpc.aio.Channel:
    """A new channel; nothing is connected yet.

    Raises:
        ConfigError: the CA file cannot be read.
        Unavailable: the certificate to be trusted cannot be fetched.
    """
    address = urlsplit(settings.global_address)
    host, port = address.hostname or "", address.port or DEFAULT_PORT
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = client_options(settings.kds.max_msg_size, keepalive_of(settings.kds))
    if address.scheme == "grpc":
        return grpc.aio.insecure_channel(target, options)
    roots: bytes | None
    if settings.kds.tls_skip_verify:
        certificate = await _certificate_of(host, port, patience=settings.kds.connect_timeout)
        options.append(("grpc.ssl_target_name_override", _any_name(certificate, host)))
        roots = certificate
    else:
        roots = _roots(settings.kds.root_ca_file)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(roots), options)


def zone_token(settings: MultizoneZoneKds) -> str:
    """The token to show to the global, empty if there is none; a file is read for every connection."""
    if not settings.token_file:
        return settings.token
    try:
        return Path(settings.token_file).read_text().strip()
    except OSError as error:
        raise ConfigError(f"cannot read {settings.token_file}: {error.strerror}") from None


def _roots(file: str) -> bytes | None:
    """The configured CA, or the system's: gRPC by itself would use a list of its own."""
    path = file or ssl.get_default_verify_paths().cafile
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


async def _certificate_of(host: str, port: int, *, patience: float) -> bytes:
    """What the global shows, in PEM. gRPC cannot skip verification, but it can be told to trust this one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"cannot reach {host}:{port}: {error}") from None
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        shown = tls.getpeercert(binary_form=True)
    finally:
        writer.close()
    if shown is None:
        raise Unavailable(f"{host}:{port} shows no certificate")
    return ssl.DER_cert_to_PEM_cert(shown).encode()


def _any_name(pem: bytes, otherwise: str) -> str:
    """A name for which the certificate is valid."""
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return otherwise
    found = names.get_values_for_type(x509.DNSName)
    return found[0].replace("*", "any") if found else otherwise
