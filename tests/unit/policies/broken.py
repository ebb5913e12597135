"""Specs of targetRef policies that break one rule each, with the field that is named and the reason."""

from __future__ import annotations

from typing import Any

MESH = {"kind": "Mesh"}
SIDECARS = {"kind": "Mesh", "proxyTypes": ["Sidecar"]}
GATEWAY = {"kind": "MeshGateway", "name": "edge"}
SERVICE = {"kind": "MeshService", "name": "backend"}
ROUTE = {"kind": "MeshHTTPRoute", "name": "r"}


def to(conf: Any, target: Any = MESH, **top: Any) -> dict[str, Any]:
    return {"targetRef": top.get("top", MESH), "to": [{"targetRef": target, "default": conf}]}


def rules(conf: Any, top: Any = SIDECARS) -> dict[str, Any]:
    return {"targetRef": top, "rules": [{"default": conf}]}


def default(conf: Any, top: Any = MESH) -> dict[str, Any]:
    return {"targetRef": top, "default": conf}


def http(rule: Any, target: Any = SERVICE, top: Any = MESH) -> dict[str, Any]:
    return {"targetRef": top, "to": [{"targetRef": target, "rules": [rule]}]}


PREFIX = [{"path": {"type": "PathPrefix", "value": "/a"}}]
RATE = {"interval": "1s", "num": 1}
LOCAL = "spec.rules[0].default.local"

RATE_LIMIT = [
    (rules({}), LOCAL, "must be defined"),
    (rules({"local": {}}), LOCAL, "must have at least one defined: tcp, http"),
    (
        rules({"local": {"http": {}}}),
        f"{LOCAL}.http",
        "must have at least one defined: disabled, requestRate, onRateLimit",
    ),
    (rules({"local": {"tcp": {}}}), f"{LOCAL}.tcp", "must have at least one defined: disabled, connectionRate"),
    (
        rules({"local": {"http": {"requestRate": {"interval": "1s", "num": 0}}}}),
        f"{LOCAL}.http.requestRate.num",
        "must be greater than 0",
    ),
    (
        rules({"local": {"http": {"requestRate": {"interval": "50ms", "num": 1}}}}),
        f"{LOCAL}.http.requestRate.interval",
        "must be greater than: 50ms",
    ),
    (
        rules({"local": {"tcp": {"connectionRate": {"interval": "1ms", "num": 1}}}}),
        f"{LOCAL}.tcp.connectionRate.interval",
        "must be greater than: 50ms",
    ),
    (
        rules({"local": {"http": {"onRateLimit": {"status": 0}}}}),
        f"{LOCAL}.http.onRateLimit.status",
        "must be greater than 0",
    ),
    (rules({"local": {"tcp": {"disabled": True}}}, {"kind": "MeshSubset"}), "spec.rules", "must not be defined"),
    (rules({"local": {"tcp": {"disabled": True}}}, ROUTE), "spec.rules", "must not be defined"),
    (
        to({"local": {"http": {"requestRate": {"interval": "1s", "num": -1}}}}, top=GATEWAY),
        "spec.to[0].default.local.http.requestRate.num",
        "must be greater than 0",
    ),
]

FAULT = "spec.rules[0].default.http"
FAULT_INJECTION = [
    (
        rules({"http": [{}, {"abort": {"httpStatus": 600, "percentage": 1}}]}),
        f"{FAULT}.abort[1].httpStatus",
        "must be in inclusive range [100, 599]",
    ),
    (
        rules({"http": [{"abort": {"httpStatus": 500, "percentage": "-1"}}]}),
        f"{FAULT}.abort[0].percentage",
        "must be in inclusive range [0.0, 100.0]",
    ),
    (
        rules({"http": [{"delay": {"value": "-1s", "percentage": 1}}]}, MESH),
        f"{FAULT}.delay[0].value",
        "must not be negative when defined",
    ),
    (
        rules({"http": [{"responseBandwidth": {"limit": "5 bps", "percentage": 1}}]}),
        f"{FAULT}.responseBandwidth[0].limit",
        "must be in kbps/Mbps/Gbps units",
    ),
    (
        to({"http": [{"responseBandwidth": {"limit": "5 Gbps", "percentage": "x"}}]}, top=GATEWAY),
        "spec.to[0].default.http.responseBandwidth[0].percentage",
        "string must be a valid number",
    ),
]

HEALTH_CHECK = [
    (to({"grpc": {}, "timeout": "-1s"}), "spec.to[0].default.timeout", "must be greater than zero when defined"),
    (
        to({"tcp": {}, "healthyPanicThreshold": "x"}),
        "spec.to[0].default.healthyPanicThreshold",
        "string must be a valid number",
    ),
    (
        to({"tcp": {}, "eventLogPath": "log.txt"}),
        "spec.to[0].default.eventLogPath",
        "must be a valid path when defined",
    ),
    (
        to({"tcp": {}}, {"kind": "MeshExternalService", "name": "a"}),
        "spec.to[0].targetRef.kind",
        "value 'MeshExternalService' is not supported",
    ),
]

FILTER = "spec.to[0].rules[0].default.filters[0]"


def filtered(one: Any, matches: Any = PREFIX, top: Any = MESH) -> dict[str, Any]:
    target = MESH if top is GATEWAY else SERVICE
    conf = {"filters": [one], "backendRefs": [SERVICE]}
    return http({"matches": matches, "default": conf}, target, top)


HTTP_ROUTE = [
    (
        http({"matches": [{"path": {"type": "RegularExpression", "value": "/a"}}], "default": {}}, MESH, GATEWAY),
        "spec.to[0].rules[0].default.backendRefs",
        "must not be empty",
    ),
    (
        filtered({"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["a", "A"]}}),
        f"{FILTER}.responseHeaderModifier.remove[1].name",
        "duplicate header name",
    ),
    (
        filtered({"type": "URLRewrite", "urlRewrite": {"hostname": "1.2.3.4"}}),
        f"{FILTER}.urlRewrite.hostname",
        "cannot be an IP address",
    ),
    (
        filtered({"type": "RequestRedirect", "requestRedirect": {"hostname": "10.0.0.1"}}),
        f"{FILTER}.requestRedirect.hostname",
        "cannot be an IP address",
    ),
    (
        filtered({"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath"}}}),
        f"{FILTER}.urlRewrite.path.replaceFullPath",
        "must be defined",
    ),
    (
        filtered({"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch"}}}),
        f"{FILTER}.urlRewrite.path.replacePrefixMatch",
        "must be defined",
    ),
    (
        filtered(
            {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}},
            [*PREFIX, {"method": "GET"}],
        ),
        f"{FILTER}.urlRewrite.path.replacePrefixMatch",
        "can only appear if all matches match a path prefix",
    ),
    (
        filtered(
            {"type": "URLRewrite", "urlRewrite": {"hostToBackendHostname": True, "hostname": "a.com"}}, top=GATEWAY
        ),
        f"{FILTER}.urlRewrite.hostToBackendHostname",
        "cannot be set together with hostname",
    ),
    (
        filtered({"type": "RequestMirror", "requestMirror": {"backendRef": SERVICE, "percentage": "x"}}),
        f"{FILTER}.requestMirror.percentage",
        "string must be a valid number",
    ),
    (
        filtered(
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"kind": "MeshExternalService", "name": "a"}}}
        ),
        f"{FILTER}.requestMirror.backendRef.kind",
        "value 'MeshExternalService' is not supported",
    ),
    (
        http({"matches": PREFIX, "default": {"backendRefs": [{"kind": "MeshService"}]}}),
        "spec.to[0].rules[0].default.backendRefs[0].name",
        "must be set with kind MeshService",
    ),
]

TCP_ROUTE = [
    (
        http({"default": {"backendRefs": [{"kind": "MeshMultiZoneService", "labels": {"a": "b"}}]}}),
        "spec.to[0].rules[0].default.backendRefs[0].port",
        "must be defined with kind MeshMultiZoneService",
    ),
    (
        http({"default": {"backendRefs": [SERVICE]}}, SERVICE, GATEWAY),
        "spec.to[0].targetRef.kind",
        "value 'MeshService' is not supported",
    ),
]

CROSS_ZONE = "spec.to[0].default.localityAwareness.crossZone"


def hashed(policy: Any) -> dict[str, Any]:
    return to({"hashPolicies": [policy]}, SERVICE)


def failover(source: Any, target: Any) -> dict[str, Any]:
    rule = {"to": target} | ({"from": source} if source else {})
    return to({"localityAwareness": {"crossZone": {"failover": [rule]}}}, MESH)


def threshold(percentage: Any) -> dict[str, Any]:
    return to({"localityAwareness": {"crossZone": {"failoverThreshold": {"percentage": percentage}}}}, MESH)


LOAD_BALANCING = [
    *(
        (hashed({"type": kind}), f"spec.to[0].default.hashPolicies[0].{body}", "must be defined")
        for kind, body in (
            ("Header", "header"),
            ("Cookie", "cookie"),
            ("QueryParameter", "queryParameter"),
            ("FilterState", "filterState"),
            ("Connection", "connection"),
        )
    ),
    (
        hashed({"type": "Cookie", "cookie": {"name": "a", "path": "b"}}),
        "spec.to[0].default.hashPolicies[0].cookie.path",
        "must be an absolute path",
    ),
    (
        to({"loadBalancer": {"type": "Maglev", "maglev": {"hashPolicies": [{"type": "Header"}]}}}),
        "spec.to[0].default.loadBalancer.maglev.hashPolicies[0].header",
        "must be defined",
    ),
    (
        to({"loadBalancer": {"type": "LeastRequest", "leastRequest": {"activeRequestBias": "x"}}}),
        "spec.to[0].default.loadBalancer.leastRequest.activeRequestBias",
        "string must be a valid number",
    ),
    (
        failover({"zones": []}, {"type": "None"}),
        f"{CROSS_ZONE}.failover[0].from.zones",
        "must not be empty",
    ),
    (
        failover({"zones": ["a", ""]}, {"type": "Any"}),
        f"{CROSS_ZONE}.failover[0].from.zones[1]",
        "must not be empty",
    ),
    (
        failover(None, {"type": "Any", "zones": ["a"]}),
        f"{CROSS_ZONE}.failover[0].to.zones",
        "must be empty when type is Any",
    ),
    (
        failover(None, {"type": "None", "zones": ["a"]}),
        f"{CROSS_ZONE}.failover[0].to.zones",
        "must be empty when type is None",
    ),
    (
        failover(None, {"type": "Only"}),
        f"{CROSS_ZONE}.failover[0].to.zones",
        "must not be empty when type is Only",
    ),
    (
        failover(None, {"type": "AnyExcept", "zones": []}),
        f"{CROSS_ZONE}.failover[0].to.zones",
        "must not be empty when type is AnyExcept",
    ),
    (threshold(0), f"{CROSS_ZONE}.failoverThreshold.percentage", "must be greater than 0"),
    (threshold("x"), f"{CROSS_ZONE}.failoverThreshold.percentage", "string must be a valid number"),
    (
        to({"localityAwareness": {"crossZone": {}}}, {**SERVICE, "sectionName": "main"}),
        CROSS_ZONE,
        "must not be set: MeshService traffic is local",
    ),
]


def logged(kind: str, body: Any) -> dict[str, Any]:
    name = {"File": "file", "Tcp": "tcp"}[kind]
    return to({"backends": [{"type": kind, name: body}]})


BACKEND = "spec.to[0].default.backends[0]"
ACCESS_LOG = [
    (logged("File", {"path": "a b*"}), f"{BACKEND}.file.path", "file backend requires a valid path"),
    (logged("Tcp", {"address": "a b"}), f"{BACKEND}.tcp.address", "tcp backend requires valid address"),
    (
        logged("File", {"path": "/a", "format": {"type": "Plain"}}),
        f"{BACKEND}.file.format.plain",
        "must be defined",
    ),
    (
        logged("File", {"path": "/a", "format": {"type": "Plain", "plain": ""}}),
        f"{BACKEND}.file.format.plain",
        "must not be empty",
    ),
    (
        logged("Tcp", {"address": "a.b:1", "format": {"type": "Json"}}),
        f"{BACKEND}.tcp.format.json",
        "must be defined",
    ),
    (
        logged("Tcp", {"address": "a.b:1", "format": {"type": "Json", "json": [{"key": "", "value": "a"}]}}),
        f"{BACKEND}.tcp.format.json[0].key",
        "key cannot be empty",
    ),
    (
        logged("Tcp", {"address": "a.b:1", "format": {"type": "Json", "json": [{"key": "a", "value": ""}]}}),
        f"{BACKEND}.tcp.format.json[0].value",
        "value cannot be empty",
    ),
    (
        logged("Tcp", {"address": "a.b:1", "format": {"type": "Json", "json": [{"key": 'a"', "value": "b"}]}}),
        f"{BACKEND}.tcp.format.json[0]",
        "is not a valid JSON object",
    ),
    (
        {"targetRef": MESH, "from": [{"targetRef": MESH, "default": {}}]},
        "spec.from[0].default.backends",
        "must be defined",
    ),
    (
        {**to({"backends": []}), "rules": [{"default": {}}]},
        "spec",
        "fields 'to' and 'from' must be empty when 'rules' is defined",
    ),
]


def traced(url: str) -> dict[str, Any]:
    return default({"backends": [{"type": "Datadog", "datadog": {"url": url}}]})


AGENT = "spec.default.backends[0].datadog.url"
TRACE = [
    (traced(""), AGENT, "must not be empty"),
    (traced("http://a:1#f"), AGENT, "must be a valid url"),
    (traced("http://a:99999"), AGENT, "port must be a valid (1-65535)"),
    (traced("http://a"), AGENT, "port must be defined"),
    (traced("http://a:1/p"), AGENT, "path must not be defined"),
    (traced("http://a:1?q=1"), AGENT, "query must not be defined"),
    (traced("http://u@a:1"), AGENT, "user must not be defined"),
    (traced("ftp://a:1"), AGENT, "scheme must be http"),
    (default({"backends": [{"type": "Datadog"}]}), "spec.default.backends[0].datadog", "must be defined"),
    (
        default({"backends": [{"type": "OpenTelemetry"}]}),
        "spec.default.backends[0].openTelemetry",
        "must be defined",
    ),
]

METRIC = [
    (
        default({"backends": [{"type": "OpenTelemetry", "openTelemetry": {"endpoint": "a b"}}]}),
        "spec.default.backends.backend[0].openTelemetry.endpoint",
        "must be a valid url",
    ),
    (
        default({"sidecar": {"profiles": {"include": [{"type": "Regex", "match": "(?=a)"}]}}}),
        "spec.default.sidecar.profiles.include[0].match",
        "invalid regex",
    ),
    (
        default({"backends": [{"type": "Prometheus", "prometheus": {"port": 0}}]}),
        "spec.default.backends.backend[0].port",
        "port must be a valid (1-65535)",
    ),
]


def patched(part: str, **modification: Any) -> dict[str, Any]:
    return default({"appendModifications": [{part: modification}]})


MODIFICATION = "spec.default.appendModifications[0]"
PROXY_PATCH = [
    (
        patched("cluster", operation="Add", match={"name": "a"}, value="name: a"),
        f"{MODIFICATION}.cluster.match",
        "must not be defined",
    ),
    (
        patched("virtualHost", operation="Add", match={"name": "a"}, value="name: a\ndomains: [a]"),
        f"{MODIFICATION}.virtualHost.match.name",
        "must not be defined",
    ),
    (patched("listener", operation="Add"), f"{MODIFICATION}.listener.value", "must be defined"),
    (
        patched("cluster", operation="Remove", value="name: a"),
        f"{MODIFICATION}.cluster.value",
        "must not be defined",
    ),
    (
        patched("cluster", operation="Remove", jsonPatches=[]),
        f"{MODIFICATION}.cluster.jsonPatches",
        "must not be defined",
    ),
    (
        patched("cluster", operation="Patch"),
        f"{MODIFICATION}.cluster",
        "cluster must have exactly one defined: value, jsonPatches",
    ),
    (
        patched("listener", operation="Patch", value="name: a", jsonPatches=[{"op": "remove", "path": "/a"}]),
        f"{MODIFICATION}.listener",
        "listener must have only one type defined: value, jsonPatches",
    ),
    (
        patched("httpFilter", operation="AddBefore", value="name: x"),
        f"{MODIFICATION}.httpFilter.match.name",
        "must be defined. You need to pick a filter before which this one will be added",
    ),
    (
        patched("networkFilter", operation="AddAfter", value="name: x"),
        f"{MODIFICATION}.networkFilter.match.name",
        "must be defined. You need to pick a filter after which this one will be added",
    ),
    (
        patched("networkFilter", operation="Patch", value="name: x"),
        f"{MODIFICATION}.networkFilter.match.name",
        "must be defined",
    ),
    (patched("httpFilter", operation="AddFirst"), f"{MODIFICATION}.httpFilter.value", "must be defined"),
    (
        patched("virtualHost", operation="Add", match={}, value="name: a"),
        f"{MODIFICATION}.virtualHost.value",
        "native Envoy resource is not valid: invalid VirtualHost.Domains: value must contain at least 1 item(s)",
    ),
    *(
        (
            patched("cluster", operation="Patch", jsonPatches=[patch]),
            f"{MODIFICATION}.cluster.jsonPatches[0].{name}",
            reason,
        )
        for patch, name, reason in (
            (
                {"op": "add", "path": "/a"},
                "value",
                '"value" must not be empty when "op" is one of ["add", "replace"]',
            ),
            (
                {"op": "move", "path": "/a"},
                "from",
                '"from" must not be empty when "op" is one of ["move", "copy"]',
            ),
            ({"op": "remove", "path": ""}, "path", "root path cannot be removed"),
        )
    ),
]

TLS = [
    (
        {"targetRef": MESH, "from": [{"targetRef": MESH, "default": {"tlsVersion": {"min": "TLS12", "max": "TLS10"}}}]},
        "spec.from[0].default.tlsVersion.min",
        "min version must be lower than max",
    ),
    (
        rules({"tlsVersion": {}}, {"kind": "MeshSubset"}),
        "spec.rules[0].default.tlsVersion",
        "tlsVersion can only be defined with top level targetRef kind: Mesh",
    ),
]


def passed(**match: Any) -> dict[str, Any]:
    return default({"appendMatch": [match]})


PASSTHROUGH = [
    (
        passed(type="Domain", value="a.com", protocol="mysql", port=3306),
        "spec.default.appendMatch[0].protocol",
        "protocol mysql is not supported for a domain",
    ),
    (
        passed(type="CIDR", value="10.0.0.0", port=1),
        "spec.default.appendMatch[0].value",
        "provided CIDR has incorrect value",
    ),
    (
        passed(type="IP", value="10.0.0.0", port=65536),
        "spec.default.appendMatch[0].port",
        "port must be a valid (1-65535)",
    ),
]

TABLES = {
    "MeshRateLimit": RATE_LIMIT,
    "MeshFaultInjection": FAULT_INJECTION,
    "MeshHealthCheck": HEALTH_CHECK,
    "MeshHTTPRoute": HTTP_ROUTE,
    "MeshTCPRoute": TCP_ROUTE,
    "MeshLoadBalancingStrategy": LOAD_BALANCING,
    "MeshAccessLog": ACCESS_LOG,
    "MeshTrace": TRACE,
    "MeshMetric": METRIC,
    "MeshProxyPatch": PROXY_PATCH,
    "MeshTLS": TLS,
    "MeshPassthrough": PASSTHROUGH,
}
