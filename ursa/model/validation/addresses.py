"""Whether texts are paths, hosts or URLs. Kinds differ in what they say when one is not."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote

from ursa.model.names import name_violations

_UNIX_PATH = re.compile(r"(/[^/\0]*)+")
_WINDOWS_PATH = re.compile(r'[a-zA-Z]:\\(?:[^\\/:*?"<>|\r\n]+\\)*[^\\/:*?"<>|\r\n]*')
_DNS_NAME = re.compile(r"([a-zA-Z0-9_][a-zA-Z0-9_-]{0,62})(\.[a-zA-Z0-9_][a-zA-Z0-9_-]{0,62})*[._]?")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):(.*)", re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_PORT = re.compile(r"[0-9]*")
_URL_SCHEMES = ("", "ftp", "tcp", "udp", "ws", "wss", "http", "https")


class Url(NamedTuple):
    """The parts of a URL; absent ones are empty."""

    scheme: str
    opaque: str
    user: str
    host: str
    port: str
    path: str
    query: str


def is_ip(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_cidr(text: str) -> bool:
    """Whether a text is an address with the length of its prefix."""
    address, slash, length = text.partition("/")
    return bool(slash) and is_ip(address) and length.isdecimal() and int(length) <= (128 if ":" in address else 32)


def is_dns_name(text: str) -> bool:
    """Whether a resolver would take a text as the name of a host; an IP address is none."""
    return 0 < len(text.replace(".", "")) <= 255 and not is_ip(text) and _DNS_NAME.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether a text is a lower-case domain name of RFC 1123."""
    return not name_violations("", text)


def is_wildcard_domain(text: str) -> bool:
    """Whether a text is a lower-case domain name whose first label is `*`."""
    return text.startswith("*.") and is_subdomain(text[2:]) and len(text) <= 253


def is_file_path(text: str) -> bool:
    """Whether a text is an absolute path of a file system."""
    return (_UNIX_PATH.fullmatch(text) or _WINDOWS_PATH.fullmatch(text)) is not None


def parse_url(text: str) -> Url | None:
    """The parts of an absolute URL or of a path, None when the text is neither; fragments are part of the query."""
    if not text or any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
        return None
    scheme, rest = "", text
    if match := _SCHEME.fullmatch(text):
        scheme, rest = match[1].lower(), match[2]
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        return Url(scheme, rest, "", "", "", "", query) if scheme else None
    if not rest.startswith("//") or (not scheme and rest.startswith("///")):
        return None if _BAD_ESCAPE.search(rest) else Url(scheme, "", "", "", "", unquote(rest), query)
    authority, slash, path = rest[2:].partition("/")
    user, _, place = authority.rpartition("@")
    split = split_port(place)
    if split is None or _BAD_ESCAPE.search(path) or " " in authority:
        return None
    return Url(scheme, "", user, *split, unquote(slash + path), query)


def split_port(text: str) -> tuple[str, str] | None:
    """Host and port of `host:port`, the port empty when there is none; None when the port is no number."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return None
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
    return (host, port) if _PORT.fullmatch(port) else None


def host_and_port(text: str) -> tuple[str, str] | None:
    """Host and port of a text in which both must be, None when it is none; what they look like is not checked."""
    if text.startswith("["):
        host, separator, port = text[1:].partition("]:")
    else:
        host, separator, port = text.rpartition(":")
    return (host, port) if separator and (text.startswith("[") or ":" not in host) else None


def is_url(text: str) -> bool:
    """Whether a text is the URL of a server; the scheme may be missing."""
    if len(text) <= 3 or any(letter.isspace() for letter in text):
        return False
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    split = split_port(authority.rpartition("@")[2])
    if split is None or scheme.lower() not in _URL_SCHEMES or len(split[1]) > 5:
        return False
    return is_ip(split[0]) or is_dns_name(split[0])
