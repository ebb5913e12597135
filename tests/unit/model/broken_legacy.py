"""Documents of legacy policies, gateways and meshes that break one rule each: the field that is named, the reason."""

from __future__ import annotations

from typing import Any

ANY = {"match": {"kuma.io/service": "*"}}
EMPTY = "cannot be empty"
SHARE = "has to be in [0.0 - 100.0] range"
PORT = "port must be in the range [1, 65535]"
NATIVE = "native Envoy resource is not valid: "
TAG_NAME = "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores"
SELECTOR_VALUE = 'tag value must consist of alphanumeric characters, dots, dashes, slashes and underscores or be "*"'

Row = tuple[dict[str, Any], str, str]


def connected(conf: Any = None, sources: Any = None, destinations: Any = None) -> dict[str, Any]:
    document = {"sources": sources or [ANY], "destinations": destinations or [ANY]}
    return document | ({"conf": conf} if conf is not None else {})


def selected(conf: Any) -> dict[str, Any]:
    return {"selectors": [ANY], "conf": conf}


def tagged(**tags: str) -> dict[str, Any]:
    return connected(sources=[{"match": {"kuma.io/service": "a", **tags}}])


SELECTORS: list[Row] = [
    (connected(sources=[{"match": {}}]), "sources[0].match", "must have at least one tag"),
    (tagged(a=""), 'sources[0].match["a"]', "tag value must be non-empty"),
    (tagged(a="b*"), 'sources[0].match["a"]', SELECTOR_VALUE),
    (tagged(**{"a b": "c"}), 'sources[0].match["a b"]', TAG_NAME),
]

HTTP = {"match": {"kuma.io/service": "*", "kuma.io/protocol": "http"}}


def fault(**faults: Any) -> dict[str, Any]:
    return connected(faults, destinations=[HTTP])


FAULT_INJECTION: list[Row] = [
    (fault(), "conf", "must have at least one of the faults configured"),
    (fault(delay={"percentage": 1}), "conf.delay.value", EMPTY),
    (fault(delay={"value": "1s"}), "conf.delay.percentage", EMPTY),
    (fault(abort={"percentage": 100.5, "httpStatus": 500}), "conf.abort.percentage", SHARE),
    (fault(abort={"percentage": 1}), "conf.abort.httpStatus", EMPTY),
    (fault(abort={"percentage": 1, "httpStatus": 600}), "conf.abort.httpStatus", "http status code is incorrect"),
    (fault(responseBandwidth={"percentage": 1}), "conf.responseBandwidth.limit", EMPTY),
    (
        fault(responseBandwidth={"percentage": 1, "limit": "5"}),
        "conf.responseBandwidth.limit",
        "has to be in kbps/mbps/gbps units",
    ),
    (
        connected({"delay": {"percentage": 1, "value": "1s"}}),
        "destinations[0].match",
        "protocol must be specified",
    ),
    (
        connected({"delay": {"percentage": 1, "value": "1s"}}, destinations=[{"match": {"kuma.io/protocol": "kafka"}}]),
        'destinations[0].match["kuma.io/protocol"]',
        "must be one of the [http, http2, grpc]",
    ),
]

RATE_LIMIT: list[Row] = [
    (connected(), "conf", "must have conf"),
    (connected({"http": {"interval": "1s"}}), "conf.http.requests", "requests must be set"),
    (connected({"http": {"requests": 1}}), "conf.http.interval", "interval must be set"),
    (
        connected({"http": {"requests": 1, "interval": "1s", "onRateLimit": {"headers": [{"key": "a"}]}}}),
        'conf.http.onRateLimit.header["0"]',
        "value must be set",
    ),
]

CIRCUIT_BREAKER: list[Row] = [
    (connected(), "conf", "must have at least one of the detector or threshold configured"),
    (connected({"detectors": {}}), "conf", "must have at least one of the detector or threshold configured"),
    (connected({"detectors": {}, "thresholds": {"maxRetries": 1}}), "conf.detectors", "can't be empty"),
    (connected({"detectors": {"localErrors": {}}, "thresholds": {}}), "conf.thresholds", "can't be empty"),
    (connected({"thresholds": {"maxRetries": 1}, "maxEjectionPercent": 101}), "conf.maxEjectionPercent", SHARE),
    (connected({"detectors": {"failure": {"threshold": 101}}}), "conf.detectors.failure.threshold", SHARE),
]

WHEN_DEFINED = "has to be greater than 0 when defined"
RETRY: list[Row] = [
    (connected(), "conf", "has to be defined"),
    (connected({}), "conf", "missing protocol [grpc|http|tcp] configuration"),
    (connected({"http": {}}), "conf.http", "field cannot be empty"),
    (connected({"tcp": {}}), "conf.tcp.maxConnectAttempts", "has to be greater than 0"),
    (connected({"grpc": {"numRetries": 0}}), "conf.grpc.numRetries", WHEN_DEFINED),
    (connected({"http": {"perTryTimeout": "0s"}}), "conf.http.perTryTimeout", WHEN_DEFINED),
    (connected({"http": {"backOff": {}}}), "conf.http.backOff.baseInterval", "has to be defined"),
    (
        connected({"http": {"backOff": {"baseInterval": "0s"}}}),
        "conf.http.backOff.baseInterval",
        "has to be greater than 0",
    ),
    (
        connected({"grpc": {"backOff": {"baseInterval": "1s", "maxInterval": "0s"}}}),
        "conf.grpc.backOff.maxInterval",
        WHEN_DEFINED,
    ),
    (
        connected({"http": {"retriableMethods": ["GET", "NONE"]}}),
        "conf.http.retriableMethods[1]",
        "field cannot be empty",
    ),
    (
        connected({"http": {"retryOn": ["reset", "retriable_status_codes"]}}),
        "conf.http.retryOn[1]",
        "retriableStatusCodes cannot be empty when this option is specified",
    ),
    (
        connected({"grpc": {"retryOn": ["internal", "cancelled", "internal"]}}),
        "conf.grpc.retryOn",
        'repeated value "internal" at indexes [0, 2]',
    ),
]

SECTION = "at least one timeout in section has to be defined"
TIMEOUT: list[Row] = [
    (connected(), "conf", "has to be defined"),
    (connected({"tcp": {}}), "conf.tcp", SECTION),
    (connected({"http": {"maxStreamDuration": "1s"}}), "conf.http", SECTION),
    (connected({"grpc": {}}), "conf.grpc", SECTION),
    (connected({"tcp": {"idleTimeout": "0s"}}), "conf.tcp.idleTimeout", "has to be greater than 0"),
    (connected({"http": {"idleTimeout": "0s"}}), "conf.http.idleTimeout", WHEN_DEFINED),
    (connected({"grpc": {"maxStreamDuration": "0s"}}), "conf.grpc.maxStreamDuration", WHEN_DEFINED),
]

CHECK = {"interval": "1s", "timeout": "1s", "healthyThreshold": 1, "unhealthyThreshold": 1}
POSITIVE = "must have a positive value"


def checked(**conf: Any) -> dict[str, Any]:
    return connected({**CHECK, **conf})


HEALTH_CHECK: list[Row] = [
    (connected(), "conf", "has to be defined"),
    (checked(interval="0s"), "conf.interval", POSITIVE),
    (checked(timeout="0s"), "conf.timeout", POSITIVE),
    (checked(healthyThreshold=0), "conf.healthyThreshold", POSITIVE),
    (checked(unhealthyThreshold=0), "conf.unhealthyThreshold", POSITIVE),
    (checked(initialJitter="0s"), "conf.initialJitter", POSITIVE),
    (checked(intervalJitter="0s"), "conf.intervalJitter", POSITIVE),
    (checked(noTrafficInterval="0s"), "conf.noTrafficInterval", POSITIVE),
    (checked(healthyPanicThreshold=-1), "conf.healthyPanicThreshold", "must be in range [0.0 - 100.0]"),
    (checked(http={}), "conf.http.path", "has to be defined and cannot be empty"),
    (
        checked(http={"path": "/", "expectedStatuses": [600]}),
        "conf.http.expectedStatuses[0]",
        "must be in range [100, 600)",
    ),
    (
        checked(http={"path": "/", "requestHeadersToAdd": [{}]}),
        "conf.http.requestHeadersToAdd[0].header",
        "has to be defined",
    ),
    (
        checked(http={"path": "/", "requestHeadersToAdd": [{"header": {"value": "a"}}]}),
        "conf.http.requestHeadersToAdd[0].header.key",
        EMPTY,
    ),
    (checked(http={"path": "/"}, tcp={}), "conf", "http and tcp cannot be defined at the same time"),
]

SERVICE = {"name": "s", "tagKey": "kuma.io/service"}


def named(host: str = "{{.s}}.mesh", port: str = "80", parameters: Any = (SERVICE,)) -> dict[str, Any]:
    return selected({"host": host, "port": port, "parameters": list(parameters)})


FAILED = "template pre evaluation failed with error="
VIRTUAL_OUTBOUND: list[Row] = [
    ({"selectors": [ANY]}, "conf", "has to be defined"),
    (named(host=""), "conf.host", "has to be defined"),
    (named(port=""), "conf.port", "has to be defined"),
    (
        named(host="a.mesh", parameters=[{"name": "v"}]),
        "conf.parameters",
        "must contain a parameter with kuma.io/service as a tagKey",
    ),
    (named(parameters=[SERVICE, SERVICE]), "conf.parameters[1].name", "name is already used"),
    (
        named(parameters=[SERVICE, {"name": "a-b"}]),
        "conf.parameters[1].name",
        "must consist of alphanumeric characters to be used as a gotemplate key",
    ),
    (
        named(parameters=[SERVICE, {"name": "a", "tagKey": "x y"}]),
        "conf.parameters[1].tagKey",
        "must be a valid tag name",
    ),
    (
        named(port="70000"),
        "conf.port",
        f'{FAILED}"evaluation of template returned a port outside of the range [1..65535] result=70000"',
    ),
    (
        named(port="{{ .nope }}"),
        "conf.port",
        FAILED + r'"evaluation of template with parameters didn' + "'" + r"t evaluate to a parsable number "
        r'result=\"<no value>\""',
    ),
    (
        named(host="{{ nope }}"),
        "conf.host",
        FAILED + r'"failed compiling gotemplate error=\"template: :1: function \\\"nope\\\" not defined\""',
    ),
]


def modified(part: str, **modification: Any) -> dict[str, Any]:
    return selected({"modifications": [{part: modification}]})


MODIFICATION = "conf.modifications[0]"
PROXY_TEMPLATE: list[Row] = [
    ({"selectors": [{"match": {"a": "b"}}]}, "selectors[0].match", 'mandatory tag "kuma.io/service" is missing'),
    (selected({"imports": [""]}), "conf.imports[0]", EMPTY),
    (
        selected({"imports": ["nope"]}),
        "conf.imports[0]",
        "profile not found. Available profiles: default-proxy,egress-proxy,gateway-proxy,ingress-proxy",
    ),
    (
        selected({"resources": [{"name": "a", "version": "v"}]}),
        "conf.resources[0].resource",
        EMPTY,
    ),
    (
        selected({"resources": [{"name": "a", "version": "v", "resource": "'@type': nope"}]}),
        "conf.resources[0].resource",
        f"{NATIVE}unknown message type 'nope'",
    ),
    (
        modified("virtualHost", operation="addFirst"),
        f"{MODIFICATION}.virtualHost.operation",
        'invalid operation. Available operations: "add", "patch", "remove"',
    ),
    (
        modified("httpFilter", operation="add"),
        f"{MODIFICATION}.httpFilter.operation",
        'invalid operation. Available operations: "addFirst", "addLast", "addBefore", "addAfter", "patch", "remove"',
    ),
    (
        modified("cluster", operation="add", match={}, value="name: a"),
        f"{MODIFICATION}.cluster.match",
        "cannot be defined",
    ),
    (modified("cluster", operation="remove", value="name: a"), f"{MODIFICATION}.cluster.value", "cannot be defined"),
    (
        modified("networkFilter", operation="addAfter", value="name: a"),
        f"{MODIFICATION}.networkFilter.match.name",
        "cannot be empty. You need to pick a filter after which this one will be added",
    ),
    (modified("networkFilter", operation="patch", value="name: a"), f"{MODIFICATION}.networkFilter.match.name", EMPTY),
    (
        modified("cluster", operation="add", value="connectTimeout: 5s"),
        f"{MODIFICATION}.cluster.value",
        f"{NATIVE}invalid Cluster.Name: value length must be at least 1 runes",
    ),
]


def external(address: str = "a.com:80", tls: Any = None, **tags: str) -> dict[str, Any]:
    networking = {"address": address} | ({"tls": tls} if tls is not None else {})
    return {"networking": networking, "tags": {"kuma.io/service": "a", **tags}}


EXTERNAL_SERVICE: list[Row] = [
    ({"tags": {"kuma.io/service": "a"}}, "networking", "should have networking"),
    ({"networking": {"address": "a.com:80"}}, "tags", 'mandatory tag "kuma.io/service" is missing'),
    (external(""), "networking.address", "address can't be empty"),
    (external("a b:80"), "networking.address", "address has to be a valid IP address or a domain name"),
    (external("a.com:0"), "networking.address", PORT),
    (external(tls={"serverName": ""}), "networking.tls.serverName", EMPTY),
    (external(tls={"clientKey": {}}), "networking.tls.clientKey", "data source cannot be empty"),
    (external(**{"a b": "c"}), 'tags["a b"]', TAG_NAME),
    (
        external("a:80"),
        'tags["kuma.io/service"]',
        "cannot be the same as networking.address",
    ),
]

LEGACY = {
    "TrafficPermission": SELECTORS,
    "FaultInjection": FAULT_INJECTION,
    "RateLimit": RATE_LIMIT,
    "CircuitBreaker": CIRCUIT_BREAKER,
    "Retry": RETRY,
    "Timeout": TIMEOUT,
    "HealthCheck": HEALTH_CHECK,
    "VirtualOutbound": VIRTUAL_OUTBOUND,
    "ProxyTemplate": PROXY_TEMPLATE,
    "ExternalService": EXTERNAL_SERVICE,
}
