"""Certificates of this process's servers: made once when none is given, and read again when their files change.

Without configured files a control plane makes a self-signed pair in its work directory and uses it ever after, so that
a restart does not change what proxies and zones trust. Files are checked by modification time and inode whenever a new
connection asks for the certificate, so a rotated one is served without a restart and without a timer.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import socket
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ursa.errors import ConfigError, UrsaError, system_reason
from ursa.runtime.clock import Clock, to_datetime
from ursa.runtime.config import Settings, work_dir
from ursa.runtime.files import Stamp, stamp_of
from ursa.runtime.tls_rules import TlsRules, server_rules

log = logging.getLogger(__name__)

LIFE = timedelta(days=3650)
"""Life of a self-signed pair (`spec/config.md`, auto-configuration)."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a PEM certificate chain and its key are."""

    cert: Path
    key: Path


def server_files(cert_file: str, key_file: str, general: TlsFiles) -> TlsFiles:
    """A server's own pair when it has one, otherwise the general pair of the process."""
    return TlsFiles(Path(cert_file), Path(key_file)) if cert_file and key_file else general


def ensure_self_signed(directory: Path, clock: Clock, *, only_rsa: bool = False) -> TlsFiles:
    """The pair `kuma-cp.crt`/`kuma-cp.key` of the work directory, made now if it is not there.

    Args:
        directory: the work directory.
        clock: says when the certificate begins to be good.
        only_rsa: makes an RSA key, for servers that must not use any other. A signature with one, which every new
            connection pays for, costs ten times what it costs on P-256.

    Raises:
        ConfigError: the directory cannot be written.
    """
    files = TlsFiles(directory / "kuma-cp.crt", directory / "kuma-cp.key")
    if files.cert.exists() and files.key.exists():
        return files
    cert, key = _self_signed(clock.now_ns(), only_rsa=only_rsa)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(files.key, key, 0o600)
        _write(files.cert, cert, 0o644)
    except OSError as error:
        raise ConfigError(f"cannot write the TLS certificate to {directory}: {error.strerror}") from None
    return files


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain with its key; `generation` grows with every reload."""

    generation: int
    cert_pem: bytes
    key_pem: bytes


class ReloadedPair:
    """The current content of a pair of files; keeps the last good one while a rotation is half done."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen: tuple[Stamp, ...] = ()
        self._pair = Pair(0, b"", b"")
        try:
            self._load()
        except (OSError, ValueError, TypeError) as error:
            reason = f"{error.filename}: {system_reason(error)}" if isinstance(error, OSError) else str(error)
            raise ConfigError(f"cannot read the TLS pair {files.cert}, {files.key}: {reason}") from None

    @property
    def files(self) -> TlsFiles:
        """Where the pair comes from."""
        return self._files

    def current(self) -> Pair:
        """The newest usable content of the files, which are read only when they changed."""
        try:
            self._load()
        except (OSError, ValueError, TypeError) as error:
            log.warning("TLS pair not usable, keeping the last one", extra={"file": self._files.cert, "error": error})
        return self._pair

    def _load(self) -> None:
        stamp = (stamp_of(self._files.cert), stamp_of(self._files.key))
        if stamp != self._seen:
            self._pair = self._read()
            self._seen = stamp

    def _read(self) -> Pair:
        cert, key = self._files.cert.read_bytes(), self._files.key.read_bytes()
        public = serialization.load_pem_private_key(key, None).public_key()
        if x509.load_pem_x509_certificates(cert)[0].public_key() != public:
            raise ValueError("certificate and key do not belong together")
        if self._seen:
            log.info("TLS pair reloaded", extra={"file": self._files.cert})
        return Pair(self._pair.generation + 1, cert, key)


class _FollowingContext:
    """Hands each new connection a context made of the files' newest content."""

    def __init__(self, pair: ReloadedPair, rules: TlsRules) -> None:
        self._pair, self._rules = pair, rules
        self._seen = self._state()
        self._newest = self.first = _context(pair, rules)
        self.first.sni_callback = self._on_client_hello

    def _state(self) -> tuple[int, tuple[tuple[Path, Stamp], ...]]:
        """What a context is made of: when this changes, another one is."""
        found = self._rules.authorities() if self._rules.authorities is not None else ()
        return self._pair.current().generation, tuple((path, stamp_of(path)) for path in found)

    def _on_client_hello(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context_: ssl.SSLContext
    ) -> None:
        try:
            state = self._state()
            if state != self._seen:
                self._newest, self._seen = _context(self._pair, self._rules), state
        except (OSError, ConfigError) as error:
            log.warning("client authorities not usable, keeping the last ones", extra={"error": error})
        if self._newest is not self.first:
            connection.context = self._newest


def server_context(
    pair: ReloadedPair, rules: TlsRules | None = None, *, min_version: str = "", alpn: tuple[str, ...] = ()
) -> ssl.SSLContext:
    """A server context that serves the newest content of its files to every new connection.

    Args:
        pair: certificate and key.
        rules: what is accepted; without them `min_version` and `alpn` are all the rules there are.
    """
    return _FollowingContext(pair, rules or TlsRules(min_version=min_version, alpn=alpn)).first


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Loads a pair from memory; Python can only read files, so it is in one for a moment, readable by us alone.

    Raises:
        UrsaError: it is no pair.
    """
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder) / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(certificate + key)
        try:
            context.load_cert_chain(pair)
        except ssl.SSLError as error:
            raise UrsaError(f"certificate and key cannot be used: {error}") from None


def grpc_credentials(pair: ReloadedPair) -> grpc.ServerCredentials:
    """gRPC server credentials that follow the pair's files."""
    served = pair.current()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal served
        newest = pair.current()
        if newest.generation == served.generation:
            return None
        served = newest
        return _grpc_configuration(newest)

    return grpc.dynamic_ssl_server_credentials(_grpc_configuration(served), fetch, require_client_authentication=False)


def _grpc_configuration(pair: Pair) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pair.key_pem, pair.cert_pem)])


def _context(pair: ReloadedPair, rules: TlsRules) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    rules.limit(context)
    try:
        context.load_cert_chain(pair.files.cert, pair.files.key)
    except ssl.SSLError as error:
        raise ConfigError(f"cannot serve with {pair.files.cert}: {error}") from None
    if rules.alpn:
        context.set_alpn_protocols(list(rules.alpn))
    if rules.authorities is not None:
        _ask_for_certificates(context, rules.authorities(), required=rules.client_required)
    return context


def _ask_for_certificates(context: ssl.SSLContext, authorities: Sequence[Path], *, required: bool) -> None:
    """Asks even while there are no authorities: a connection that is handed a newer context keeps this mode."""
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    for file in authorities:
        try:
            context.load_verify_locations(cafile=str(file))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cannot read client certificate authority {file}: {error}") from None


def _self_signed(now_ns: int, *, only_rsa: bool) -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(65537, 2048) if only_rsa else ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname()
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dict.fromkeys((host, "localhost"))]
    names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in _addresses(host)]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = to_datetime(now_ns)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key_pem


def _addresses(host: str) -> list[str]:
    found = ["127.0.0.1", "::1"]
    with contextlib.suppress(OSError):
        found += [str(info[4][0]) for info in socket.getaddrinfo(host, None)]
    return list(dict.fromkeys(found))


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def general_files(settings: Settings, clock: Clock) -> TlsFiles:
    """The pair of servers that have none of their own: the configured one, or one that signs itself."""
    general = settings.general
    if general.tls_cert_file and general.tls_key_file:
        return TlsFiles(Path(general.tls_cert_file), Path(general.tls_key_file))
    rules = [server_rules(server, general) for server in settings.tls_servers]
    return ensure_self_signed(work_dir(settings), clock, only_rsa=any(one.needs_rsa for one in rules))
