"""What a server accepts of TLS: versions and cipher suites, as settings name them.

Suites have two names, that of the registry, which Kuma's users know from Go, and that of OpenSSL; both are understood.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ursa.errors import ConfigError

VERSIONS = {"": ssl.TLSVersion.TLSv1_2, "TLSv1_2": ssl.TLSVersion.TLSv1_2, "TLSv1_3": ssl.TLSVersion.TLSv1_3}


class TlsLimits(Protocol):
    """The settings about TLS that every server has, and `general`, which is for all of them."""

    @property
    def tls_min_version(self) -> str:
        """Oldest version of TLS."""

    @property
    def tls_max_version(self) -> str:
        """Newest version of TLS."""

    @property
    def tls_cipher_suites(self) -> tuple[str, ...]:
        """Cipher suites."""


@dataclass(frozen=True, slots=True)
class TlsRules:
    """What a server accepts.

    Attributes:
        min_version: oldest version of TLS, as `TLSv1_2`; empty for the usual one.
        max_version: newest version; empty for the newest there is.
        ciphers: names of cipher suites up to TLS 1.2; empty for the usual ones.
        alpn: protocols.
        authorities: finds the files with the authorities that client certificates are verified with; they, too, may
            change at any time. None when no client is asked for a certificate.
        client_required: whether a client without a certificate is turned away.
    """

    min_version: str = ""
    max_version: str = ""
    ciphers: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    authorities: Callable[[], Sequence[Path]] | None = None
    client_required: bool = False

    @property
    def usual(self) -> bool:
        """Whether versions and suites are what every TLS library takes by itself today."""
        return version_of(self.min_version) is VERSIONS[""] and not self.max_version and not self.ciphers

    @property
    def needs_rsa(self) -> bool:
        """Whether the suites it names are for certificates with RSA keys only."""
        older = [name for name in self.ciphers if not _is_tls_1_3(name)]
        return bool(older) and not any("ECDSA" in name for name in older)

    def limit(self, context: ssl.SSLContext) -> None:
        """Makes a context keep to the versions and suites.

        Raises:
            ConfigError: there are no such versions or suites.
        """
        lowest, highest = version_of(self.min_version), version_of(self.max_version) if self.max_version else None
        older = [name for name in self.ciphers if not _is_tls_1_3(name)]
        if self.ciphers and not older:
            lowest = ssl.TLSVersion.TLSv1_3
        if highest is not None and highest < lowest:
            raise ConfigError(f"no version of tls is left: at least {lowest.name}, at most {highest.name}")
        context.minimum_version = lowest
        if highest is not None:
            context.maximum_version = highest
        for name in older:
            _set_suites(context, [name])
        if older:
            _set_suites(context, older)


def server_rules(server: TlsLimits, general: TlsLimits, *, alpn: tuple[str, ...] = ()) -> TlsRules:
    """The rules of one server; what `general` says is for all servers, and never makes one accept more.

    Raises:
        ConfigError: there is no such oldest version.
    """
    return TlsRules(
        min_version=max(server.tls_min_version, general.tls_min_version, key=version_of),
        max_version=general.tls_max_version or server.tls_max_version,
        ciphers=general.tls_cipher_suites or server.tls_cipher_suites,
        alpn=alpn,
    )


def asking(rules: TlsRules, authorities: Callable[[], Sequence[Path]] | None, *, required: bool) -> TlsRules:
    """The same rules for a server that asks for client certificates."""
    return replace(rules, authorities=authorities, client_required=required)


def version_of(name: str) -> ssl.TLSVersion:
    """The version of this name; raises ConfigError with Kuma's text."""
    if name not in VERSIONS:
        raise ConfigError(f"unsupported tls version: {name}")
    return VERSIONS[name]


def _set_suites(context: ssl.SSLContext, names: Sequence[str]) -> None:
    try:
        context.set_ciphers(":".join(map(_openssl_name, names)))
    except ssl.SSLError:
        raise ConfigError(f"unsupported tls cipher suite: {', '.join(names)}") from None


def _is_tls_1_3(name: str) -> bool:
    """Whether a suite is one of TLS 1.3, which are not for choice: that version has only good ones."""
    return name.startswith("TLS_") and "_WITH_" not in name


def _openssl_name(name: str) -> str:
    """`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` → `ECDHE-RSA-AES128-GCM-SHA256`; OpenSSL's own names stay."""
    exchange, found, cipher = name.removeprefix("TLS_").partition("_WITH_")
    if not found:
        return name
    parts = [] if exchange == "RSA" else [exchange]
    cipher = cipher.replace("AES_", "AES").replace("_CBC", "").removesuffix("_SHA256" if "CHACHA" in cipher else "")
    return "-".join([*parts, cipher]).replace("_", "-")
