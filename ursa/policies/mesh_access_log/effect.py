"""MeshAccessLog: a line or record per request or connection (`spec` §3.11).

An outbound to a real service may be logged otherwise for some of its routes. Envoy's logs belong to a listener, so
each is then told by a filter which requests it is for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ursa.ir.access_logs import AccessLog, CollectorLog, FileLog, JsonLine
from ursa.ir.listener import INBOUND, OUTBOUND, FilterChain, Listener, RouteTeller
from ursa.model.json import Json, JsonObject
from ursa.policies.core.collectors import Collectors
from ursa.policies.core.log_formats import EXTERNAL, UNKNOWN, Conversation, default_format, logging
from ursa.policies.core.matching import inbound_conf
from ursa.policies.core.policy import Policy
from ursa.policies.core.speaker import Logbook
from ursa.policies.plugin import DestinationRules, InboundTarget, OutboundTarget, PolicyPlugin

KIND = "MeshAccessLog"


class MeshAccessLogPlugin(PolicyPlugin):
    """Adds logs, beside those of a TrafficLog."""

    kind = KIND

    def inbound(self, target: InboundTarget, policies: tuple[Policy, ...]) -> None:
        _log_clients(target.listener, target.logbook, policies)

    def gateway(self, target: OutboundTarget, rules: DestinationRules, policies: tuple[Policy, ...]) -> None:
        self.outbound(target, rules)
        if target.logbook is not None:
            _log_clients(target.listener, target.logbook, policies)

    def outbound(self, target: OutboundTarget, rules: DestinationRules) -> None:
        if target.logbook is None:
            return
        speaker, collectors = target.logbook.speaker, target.logbook.collectors
        talk = Conversation(speaker, speaker.service, rules.name(target), OUTBOUND)
        conf = rules.conf(target)
        by_route = _by_route(target, rules, conf)
        if conf is not None:
            _log(target.listener, conf, talk, collectors, route="" if by_route else None)
        for route, own in by_route.items():
            _log(target.listener, own, talk, collectors, route=route)
        if by_route:
            _tell_routes(target.listener)


def _log_clients(listener: Listener, book: Logbook, policies: tuple[Policy, ...]) -> None:
    """Logs what comes in, whoever sends it."""
    found = inbound_conf(policies)
    if found is not None:
        talk = Conversation(book.speaker, UNKNOWN, book.speaker.service, INBOUND)
        _log(listener, found.conf, talk, book.collectors)


def log_pass_through(listener: Listener, conf: JsonObject, book: Logbook) -> None:
    """Logs connections that no outbound takes."""
    _log(listener, conf, Conversation(book.speaker, book.speaker.service, EXTERNAL, OUTBOUND), book.collectors)


def collector_endpoints(conf: JsonObject | None) -> tuple[str, ...]:
    """The collectors that a conf names, in order."""
    backends = (conf or {}).get("backends") or ()
    return tuple(b["openTelemetry"]["endpoint"] for b in backends if b["type"] == "OpenTelemetry")


def _by_route(target: OutboundTarget, rules: DestinationRules, conf: JsonObject | None) -> dict[str, JsonObject]:
    """Confs of the MeshHTTPRoutes whose requests are logged otherwise than the rest, by KRI."""
    managers = (manager for chain in target.listener.chains if (manager := chain.http) is not None)
    routes = {
        route.resource_origin: route
        for manager in managers
        for route, _ in manager.route_config.forwarding
        if route.resource_origin
    }
    found = ((kri, rules.route_conf(target, route)) for kri, route in routes.items())
    return {kri: own for kri, own in found if own is not None and own != conf}


def _tell_routes(listener: Listener) -> None:
    for chain in listener.chains:
        if (manager := chain.http) is not None:
            manager.http_filters.insert(0, RouteTeller())
            for route, _ in manager.route_config.forwarding:
                route.told = bool(route.resource_origin)


def _log(
    listener: Listener, conf: JsonObject, talk: Conversation, collectors: Collectors, *, route: str | None = None
) -> None:
    for chain, logs in logging(listener):
        logs += [AccessLog(sink, route) for sink in _sinks(conf, chain, talk, collectors)]


def _sinks(
    conf: JsonObject, chain: FilterChain, talk: Conversation, collectors: Collectors
) -> Iterator[FileLog | CollectorLog]:
    for backend in conf.get("backends") or ():
        match backend["type"]:
            case "File":
                yield _file(backend["file"], chain, talk)
            case "Tcp":
                yield _pipe(backend["tcp"], chain, talk)
            case "OpenTelemetry":
                yield _record(backend["openTelemetry"], chain, talk, collectors)


def _file(conf: JsonObject, chain: FilterChain, talk: Conversation) -> FileLog:
    form: JsonObject = conf.get("format") or {}
    omit = bool(form.get("omitEmptyValues"))
    if form.get("type") == "Json":
        return FileLog(conf["path"], json=_json(form, talk), omit_empty=omit)
    return FileLog(conf["path"], _text(form, chain, talk), omit_empty=omit)


def _pipe(conf: JsonObject, chain: FilterChain, talk: Conversation) -> FileLog:
    """What the launcher reads and sends on; Envoy has no such sink of its own."""
    form: JsonObject = conf.get("format") or {}
    message = _json(form, talk) if form.get("type") == "Json" else _text(form, chain, talk)
    line = (("address", conf["address"]), ("message", message))
    return FileLog(talk.speaker.log_pipe, json=line, omit_empty=bool(form.get("omitEmptyValues")))


def _record(conf: JsonObject, chain: FilterChain, talk: Conversation, collectors: Collectors) -> CollectorLog:
    body: Json = conf.get("body")
    text = default_format(chain) if body is None else body if isinstance(body, str) else json.dumps(body)
    attributes = tuple((a["key"], talk.fill(a["value"])) for a in conf.get("attributes") or ())
    return CollectorLog(collectors.name(conf["endpoint"]), talk.fill(text), attributes)


def _text(form: JsonObject, chain: FilterChain, talk: Conversation) -> str:
    return talk.fill(form.get("plain") or default_format(chain)) + "\n"


def _json(form: JsonObject, talk: Conversation) -> JsonLine:
    return tuple((talk.fill(entry["key"]), talk.fill(entry["value"])) for entry in form.get("json") or ())
