"""TrafficRoute: where the connections or requests of an outbound go, in shares and by HTTP matches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ursa.ir import cluster as ir_cluster
from ursa.ir import routes as ir
from ursa.ir.cluster import LoadBalancer
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.policies.core.rings import ring
from ursa.policies.legacy.matching import ConnectionPolicy, Tags

KIND = "TrafficRoute"


@dataclass(frozen=True, slots=True)
class Share:
    """Part of the traffic: the tags of its destination, and its weight."""

    tags: Tags
    weight: int = 1


@dataclass(frozen=True, slots=True)
class HttpRule:
    """Requests that match go to `shares`, changed as the route says."""

    match: ir.RouteMatch
    shares: tuple[Share, ...]
    modify: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteConf:
    """What a TrafficRoute means for one outbound."""

    rules: tuple[HttpRule, ...]
    shares: tuple[Share, ...]
    balancer: LoadBalancer | None


def route_conf(policy: ConnectionPolicy | None, outbound: Tags) -> RouteConf:
    """The routing of an outbound with these tags; without a policy everything goes where the outbound says."""
    if policy is None:
        return RouteConf((), (Share(outbound),), None)
    conf: JsonObject = policy.resource.spec.get("conf", {})
    rules = tuple(
        HttpRule(_match(rule.get("match", {})), _shares(rule, outbound), rule.get("modify", {}))
        for rule in conf.get("http", ())
    )
    return RouteConf(rules, _shares(conf, outbound), load_balancer(conf.get("loadBalancer", {})))


def load_balancer(conf: JsonObject) -> LoadBalancer | None:
    """Envoy's load balancer, None for round robin."""
    if "leastRequest" in conf:
        choices = conf["leastRequest"].get("choiceCount")
        return ir_cluster.LeastRequest(int(choices) if choices else None)
    if "ringHash" in conf:
        sizes = conf["ringHash"]
        return ring(sizes.get("hashFunction", ""), _size(sizes, "minRingSize"), _size(sizes, "maxRingSize"))
    if "random" in conf:
        return ir_cluster.RandomChoice()
    return ir_cluster.Maglev() if "maglev" in conf else None


def modify_route(route: ir.Route, modify: JsonObject) -> None:
    """Applies a `modify` section to a forwarding route."""
    forward = route.action
    if not modify or not isinstance(forward, ir.Forward):
        return
    path, host = modify.get("path", {}), modify.get("host", {})
    forward.prefix_rewrite = path.get("rewritePrefix", "")
    forward.regex_rewrite = _rewrite(path.get("regex"))
    forward.host_rewrite = host.get("value", "")
    forward.host_rewrite_path_regex = _rewrite(host.get("fromPath"))
    requests, responses = modify.get("requestHeaders", {}), modify.get("responseHeaders", {})
    route.request_headers_to_add = _added(requests)
    route.request_headers_to_remove = _removed(requests)
    route.response_headers_to_add = _added(responses)
    route.response_headers_to_remove = _removed(responses)


def _shares(conf: JsonObject, outbound: Tags) -> tuple[Share, ...]:
    if "destination" in conf:
        return (Share(_destination(conf["destination"], outbound)),)
    parts = ((split.get("destination", {}), int(split.get("weight", 0))) for split in conf.get("split", ()))
    return tuple(Share(_destination(tags, outbound), weight) for tags, weight in parts if weight > 0)


def _destination(tags: Tags, outbound: Tags) -> Mapping[str, str]:
    """`kuma.io/service: *` stands for the outbound's own destination, narrowed down by the other tags."""
    if tags.get(SERVICE_TAG) == "*":
        return {**outbound, **{key: value for key, value in tags.items() if key != SERVICE_TAG}}
    return tags


def _match(conf: JsonObject) -> ir.RouteMatch:
    path, kind = "/", ir.PREFIX
    if "path" in conf:
        ((kind, path),) = _one(conf["path"])
    headers = [_header(name, matcher) for name, matcher in sorted(conf.get("headers", {}).items())]
    if "method" in conf:
        headers.append(_header(":method", conf["method"]))
    return ir.RouteMatch(path, kind, tuple(headers))


def _header(name: str, matcher: JsonObject) -> ir.HeaderMatcher:
    ((kind, value),) = _one(matcher)
    return ir.HeaderMatcher(name, kind, value)


def _one(matcher: JsonObject) -> Sequence[tuple[str, str]]:
    return [(kind, matcher[kind]) for kind in (ir.PREFIX, ir.EXACT, ir.REGEX) if kind in matcher][:1]


def _rewrite(conf: JsonObject | None) -> ir.RegexRewrite | None:
    return None if conf is None else ir.RegexRewrite(conf.get("pattern", ""), conf.get("substitution", ""))


def _added(headers: JsonObject) -> tuple[ir.HeaderValue, ...]:
    added: Iterable[JsonObject] = headers.get("add", ())
    return tuple(ir.HeaderValue(h["name"], h.get("value", ""), overwrite=not h.get("append")) for h in added)


def _removed(headers: JsonObject) -> tuple[str, ...]:
    return tuple(h["name"] for h in headers.get("remove", ()))


def _size(conf: JsonObject, field_name: str) -> int | None:
    value = conf.get(field_name)
    return None if value is None else int(value)
