"""Rules of MeshGateways (`spec/policies-legacy.md` §3.14): listeners alone and listeners that share a port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_subdomain, is_wildcard_domain
from ursa.model.validation.fields import port
from ursa.model.validation.selectors import selectors, tag_selector
from ursa.model.validation.values import EMPTY, data_source

ANY_HOST = "*"
_RESERVED = ("kuma.io/service", "kuma.io/protocol", "kuma.io/zone", "kuma.io/external-service-name")
"""Tags of which the control plane decides."""

_OVER_TLS = ("HTTPS", "TLS")
_MAX_CERTIFICATES = 2
_MAX_HOST = 253


def gateway_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a MeshGateway."""
    spec = resource.spec
    chosen, conf = spec.get("selectors", []), spec.get("conf")
    found = list(selectors("selectors", chosen, service=True))
    found += _tags("tags", spec.get("tags", {}))
    if conf is None:
        return [*found, Violation("conf", EMPTY)]
    listeners = conf.get("listeners", [])
    if not listeners:
        found.append(Violation("conf.listeners", EMPTY))
    if any(listener.get("crossMesh") for listener in listeners):
        found += [Violation(f"selectors[{i}]", "there can be at most one selector") for i in range(1, len(chosen))]
    for index, listener in enumerate(listeners):
        found += _listener(f"conf.listeners[{index}]", listener)
    return [*found, *_sharing(listeners)]


def _tags(field: str, values: Mapping[str, str]) -> Iterator[Violation]:
    for name in _RESERVED:
        if name in values:
            yield Violation(f'{field}["{name}"]', f'tag name must not be "{name}"')
    if values:
        yield from tag_selector(field, values)


def _listener(field: str, listener: JsonObject) -> Iterator[Violation]:
    yield from _hostname(f"{field}.hostname", listener.get("hostname", ""))
    yield from port(f"{field}.port", listener.get("port"))
    protocol, tls = listener.get("protocol", "NONE"), listener.get("tls")
    if protocol == "NONE":
        yield Violation(f"{field}.protocol", EMPTY)
    if listener.get("crossMesh"):
        if protocol != "HTTP":
            yield Violation(f"{field}.protocol", "protocol is not supported with crossMesh")
        if tls is not None:
            yield Violation(f"{field}.tls", "must be empty with crossMesh")
    elif protocol in _OVER_TLS:
        yield from _tls(f"{field}.tls", protocol, tls)
    yield from _tags(f"{field}.tags", listener.get("tags", {}))


def _hostname(field: str, hostname: str) -> Iterator[Violation]:
    if hostname in ("", ANY_HOST):
        return
    if len(hostname) > _MAX_HOST:
        yield Violation(field, f"must be at most {_MAX_HOST} characters")
    if hostname.startswith("*"):
        if not is_wildcard_domain(hostname):
            yield Violation(field, "invalid wildcard domain")
    elif not is_subdomain(hostname):
        yield Violation(field, "invalid hostname")


def _tls(field: str, protocol: str, tls: JsonObject | None) -> Iterator[Violation]:
    if tls is None:
        yield Violation(field, EMPTY)
        return
    mode, certificates = tls.get("mode", "NONE"), tls.get("certificates", [])
    if mode == "NONE":
        yield Violation(f"{field}.mode", EMPTY)
    elif mode == "PASSTHROUGH" and protocol == "HTTPS":
        yield Violation(f"{field}.mode", "mode is not supported on HTTPS listeners")
    elif mode == "TERMINATE" and not certificates:
        yield Violation(f"{field}.certificates", "cannot be empty in TLS termination mode")
    if len(certificates) > _MAX_CERTIFICATES:
        yield Violation(f"{field}.certificates", f"cannot have more than {_MAX_CERTIFICATES} certificates")
    for index, certificate in enumerate(certificates):
        yield from data_source(f"{field}.certificates[{index}]", certificate)


def _sharing(listeners: Sequence[JsonObject]) -> Iterator[Violation]:
    """Listeners of one port become one listener of Envoy: they must agree on what it is and differ by host name."""
    by_port: dict[int, list[tuple[int, JsonObject]]] = {}
    for index, listener in enumerate(listeners):
        by_port.setdefault(listener.get("port", 0), []).append((index, listener))
    for group in by_port.values():
        hosts = [listener.get("hostname") or ANY_HOST for _, listener in group]
        limits = {_limit(listener) for _, listener in group} - {0}
        different = len({listener.get("protocol") for _, listener in group}) > 1
        for host, (index, listener) in zip(hosts, group, strict=True):
            field = f"conf.listeners[{index}]"
            if different:
                yield Violation(field, "protocol conflicts with other listeners on this port")
            if hosts.count(host) > 1:
                yield Violation(field, "multiple listeners for hostname on this port")
            if len(limits) > 1 and _limit(listener):
                yield Violation(f"{field}.resources.connectionLimit", "conflicting values for this port")


def _limit(listener: JsonObject) -> int:
    return int(listener.get("resources", {}).get("connectionLimit", 0))
