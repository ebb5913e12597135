"""Documents of resources that are no policies and break one rule each: the field that is named, the reason."""

from __future__ import annotations

from typing import Any

ANY = {"match": {"kuma.io/service": "*"}}
EMPTY = "cannot be empty"
PORT = "port must be in the range [1, 65535]"
SHARE = "has to be in [0.0 - 100.0] range"

Row = tuple[dict[str, Any], str, str]


def gateway(*listeners: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"selectors": [ANY], "conf": {"listeners": list(listeners)}, **fields}


def listener(**fields: Any) -> dict[str, Any]:
    return {"port": 80, "protocol": "HTTP", **fields}


CERTIFICATE = {"secret": "a"}
LISTENER = "conf.listeners[0]"
GATEWAY: list[Row] = [
    ({"selectors": [ANY]}, "conf", EMPTY),
    (gateway(), "conf.listeners", EMPTY),
    (gateway(listener(), tags={"kuma.io/zone": "a"}), 'tags["kuma.io/zone"]', 'tag name must not be "kuma.io/zone"'),
    (
        gateway(listener(tags={"kuma.io/external-service-name": "a"})),
        f'{LISTENER}.tags["kuma.io/external-service-name"]',
        'tag name must not be "kuma.io/external-service-name"',
    ),
    (gateway(listener(hostname="a_b")), f"{LISTENER}.hostname", "invalid hostname"),
    (gateway(listener(hostname="*.a_b")), f"{LISTENER}.hostname", "invalid wildcard domain"),
    (gateway(listener(port=0)), f"{LISTENER}.port", PORT),
    (gateway({"port": 80}), f"{LISTENER}.protocol", EMPTY),
    (gateway(listener(protocol="TLS")), f"{LISTENER}.tls", EMPTY),
    (gateway(listener(protocol="TLS", tls={})), f"{LISTENER}.tls.mode", EMPTY),
    (
        gateway(listener(protocol="HTTPS", tls={"mode": "PASSTHROUGH"})),
        f"{LISTENER}.tls.mode",
        "mode is not supported on HTTPS listeners",
    ),
    (
        gateway(listener(protocol="HTTPS", tls={"mode": "TERMINATE"})),
        f"{LISTENER}.tls.certificates",
        "cannot be empty in TLS termination mode",
    ),
    (
        gateway(listener(protocol="HTTPS", tls={"mode": "TERMINATE", "certificates": [CERTIFICATE] * 3})),
        f"{LISTENER}.tls.certificates",
        "cannot have more than 2 certificates",
    ),
    (
        gateway(listener(protocol="HTTPS", tls={"mode": "TERMINATE", "certificates": [{}]})),
        f"{LISTENER}.tls.certificates[0]",
        "data source cannot be empty",
    ),
    (
        gateway(listener(protocol="TCP", crossMesh=True)),
        f"{LISTENER}.protocol",
        "protocol is not supported with crossMesh",
    ),
    (
        gateway(listener(crossMesh=True), selectors=[ANY, ANY]),
        "selectors[1]",
        "there can be at most one selector",
    ),
]


def routed(**rule: Any) -> dict[str, Any]:
    base = {"matches": [{"path": {"value": "/"}}], "backends": [{"destination": {"kuma.io/service": "a"}}]}
    return {"selectors": [ANY], "conf": {"http": {"rules": [{**base, **rule}]}}}


def filtered(*filters: dict[str, Any], **rule: Any) -> dict[str, Any]:
    return routed(filters=list(filters), **rule)


RULE = "conf.http.rules[0]"
GATEWAY_ROUTE: list[Row] = [
    ({"selectors": [ANY]}, "conf", EMPTY),
    ({"selectors": [ANY], "conf": {"http": {}}}, "conf.http.rules", EMPTY),
    ({"selectors": [ANY], "conf": {"tcp": {"rules": [{}]}}}, "conf.tcp.rules[0].backends", EMPTY),
    (routed(matches=[]), f"{RULE}.matches", EMPTY),
    (routed(matches=[{}]), f"{RULE}.matches[0]", EMPTY),
    (routed(matches=[{"path": {"value": "a"}}]), f"{RULE}.matches[0].value", "must be an absolute path"),
    (routed(matches=[{"path": {"match": "REGEX"}}]), f"{RULE}.matches[0].value", EMPTY),
    (routed(matches=[{"headers": [{"name": "a"}]}]), f"{RULE}.matches[0].headers[0].value", EMPTY),
    (routed(matches=[{"headers": [{"value": "a"}]}]), f"{RULE}.matches[0].headers[0].name", EMPTY),
    (
        routed(matches=[{"headers": [{"match": "ABSENT", "name": "a", "value": "b"}]}]),
        f"{RULE}.matches[0].headers[0].value",
        "cannot be set",
    ),
    (
        routed(matches=[{"queryParameters": [{"name": "a"}]}]),
        f"{RULE}.matches[0].query_parameters[0].value",
        EMPTY,
    ),
    (routed(backends=[]), f"{RULE}.backends", EMPTY),
    (
        routed(backends=[{"destination": {"a": "b"}}]),
        f"{RULE}.backends[0].destination",
        'mandatory tag "kuma.io/service" is missing',
    ),
    (filtered({"responseHeader": {}}), f"{RULE}.filters[0].response_header", EMPTY),
    (
        filtered({"requestHeader": {"add": [{"name": "a"}]}}),
        f"{RULE}.filters[0].request_header.add[0].value",
        EMPTY,
    ),
    (filtered({"requestHeader": {"remove": [""]}}), f"{RULE}.filters[0].request_header.remove[0]", EMPTY),
    (
        filtered({"mirror": {"backend": {"destination": {"kuma.io/service": "a"}}}}),
        f"{RULE}.filters[0].mirror.percentage",
        EMPTY,
    ),
    (filtered({"mirror": {"percentage": 1}}), f"{RULE}.filters[0].mirror.backend", EMPTY),
    (
        filtered({"rewrite": {"replacePrefixMatch": "/"}}),
        f"{RULE}.filters[0].rewrite.replacePrefixMatch",
        "cannot be used without a match on path prefix",
    ),
    (
        filtered({"redirect": {"statusCode": 301, "path": {"replacePrefixMatch": "/"}}}, backends=[]),
        f"{RULE}.filters[0].redirect.path.replacePrefixMatch",
        "cannot be used without a match on path prefix",
    ),
    (
        filtered({"redirect": {"statusCode": 309}}, backends=[]),
        f"{RULE}.filters[0].redirect.status_code",
        "must be in the range [300, 308]",
    ),
    (filtered({"redirect": {"statusCode": 301, "port": 70000}}, backends=[]), f"{RULE}.filters[0].redirect.port", PORT),
    (
        filtered({"redirect": {"statusCode": 301}}, {"requestHeader": {"remove": ["a"]}}),
        f"{RULE}.filters",
        "redirects cannot be used with other filters",
    ),
    (
        filtered({"redirect": {"statusCode": 301}}),
        f"{RULE}.backends",
        "must be empty when using redirect filters",
    ),
]


def backed(part: str, conf: Any, kind: str) -> dict[str, Any]:
    return {part: {"backends": [{"name": "a", "type": kind, "conf": conf}]}}


MESH: list[Row] = [
    ({"mtls": {"enabledBackend": "a"}}, "mtls.enabledBackend", "has to be set to one of the backends in the mesh"),
    (
        {"mtls": {"backends": [{"name": "a", "type": "builtin", "dpCert": {"rotation": {"expiration": "1x"}}}]}},
        "mtls.dpcert.rotation.expiration",
        "has to be a valid format",
    ),
    ({"routing": {"zoneEgress": True}}, "mtls", "has to be set when zoneEgress enabled"),
    (backed("logging", {}, "file"), "logging.backends[0].config.path", EMPTY),
    (
        backed("logging", {"address": "a"}, "tcp"),
        "logging.backends[0].config.address",
        "has to be in format of HOST:PORT",
    ),
    (
        backed("logging", {}, "nope"),
        "logging.backends[0].type",
        'unknown backend type. Available backends: "tcp", "file"',
    ),
    (
        {"logging": {"defaultBackend": "a"}},
        "logging.defaultBackend",
        "has to be set to one of the logging backend in mesh",
    ),
    (
        {"tracing": {"backends": [{"name": "a", "type": "zipkin", "sampling": -1, "conf": {"url": "http://z:1/x"}}]}},
        "tracing.backends[0].sampling",
        SHARE,
    ),
    (backed("tracing", {"url": "x"}, "zipkin"), "tracing.backends[0].config.url", "invalid URL"),
    (
        backed("tracing", {"url": "http://z/x"}, "zipkin"),
        "tracing.backends[0].config.url",
        "port has to be explicitly specified",
    ),
    (
        backed("tracing", {"url": "http://z:1/x", "apiVersion": "v3"}, "zipkin"),
        "tracing.backends[0].config.apiVersion",
        "has invalid value. Allowed values: httpJsonV1, httpJson, httpProto",
    ),
    (backed("tracing", {"address": "a", "port": 0}, "datadog"), "tracing.backends[0].config.port", PORT),
    (backed("tracing", {"port": 1}, "datadog"), "tracing.backends[0].config.address", EMPTY),
    (
        {"tracing": {"defaultBackend": "a"}},
        "tracing.defaultBackend",
        "has to be set to one of the tracing backend in mesh",
    ),
    (
        backed("metrics", {"skipMTLS": False, "tls": {"mode": "disabled"}}, "prometheus"),
        "metrics.backends[0].conf",
        "skipMTLS and tls configuration cannot be defined together",
    ),
    (
        backed("metrics", {"envoy": {"filterRegex": "a(b"}}, "prometheus"),
        "metrics.backends[0].conf.envoy.filterRegex",
        "provided regexp isn't correct: error parsing regexp: missing closing ): `a(b`",
    ),
    (
        backed("metrics", {"aggregate": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, "prometheus"),
        "metrics.backends[0].conf.aggregate[2].name",
        "duplicate entry: a, values have to be unique",
    ),
    (
        {"metrics": {"backends": [{"type": "prometheus"}]}},
        "metrics.backends[0].name",
        EMPTY,
    ),
    (
        {"constraints": {"dataplaneProxy": {"requirements": [{"tags": {}}]}}},
        "constraints.dataplaneProxy.requirements[0].tags",
        "must have at least one tag",
    ),
]


def identified(provider: Any, **fields: Any) -> dict[str, Any]:
    return {"spec": {"provider": provider, **fields}}


def authorised(source: Any) -> dict[str, Any]:
    inline = {"type": "InsecureInline", "insecureInline": {"value": "a"}}
    return identified({"type": "Bundled", "bundled": {"ca": {"certificate": inline, "privateKey": source}}})


AUTOMATIC = {"type": "Bundled", "bundled": {"autogenerate": {"enabled": True}}}
KEY = "spec.provider.bundled.ca.privateKey"
IDENTITY: list[Row] = [
    (identified({"type": "Bundled"}), "spec.provider.bundled", "configuration needs to be defined"),
    (identified({"type": "Spire"}), "spec.provider.spire", "configuration needs to be defined"),
    (identified({"type": "Bundled", "bundled": {}}), "spec.provider.bundled.ca", "must be defined"),
    (
        identified({"type": "Bundled", "bundled": {"autogenerate": {"enabled": True}, "ca": {}}}),
        "spec.provider.bundled.ca",
        "shouldn't be defined once using autogenerated",
    ),
    (
        identified({"type": "Spire", "spire": {"agent": {"timeout": "-1s"}}}),
        "spec.provider.spire.agent.timeout",
        "must not be negative when defined",
    ),
    (authorised({"type": "File"}), f"{KEY}.file", "must be defined"),
    (authorised({"type": "File", "file": {"path": ""}}), f"{KEY}.file.path", "must not be empty"),
    (authorised({"type": "File", "file": {"path": "/a/../b"}}), f"{KEY}.file.path", "must not contain '..'"),
    (authorised({"type": "EnvVar", "file": {"path": "/a"}}), f"{KEY}.envVar", "must be defined"),
    (
        identified(AUTOMATIC, spiffeID={"path": "/{{ .Workload"}),
        "spec.spiffeID.path",
        "couldn't parse template: template: :1: unclosed action",
    ),
    (
        identified(AUTOMATIC, spiffeID={"trustDomain": "{{ nope }}"}),
        "spec.spiffeID.trustDomain",
        'couldn\'t parse template: template: :1: function "nope" not defined',
    ),
]

GENERATOR: list[Row] = [
    (
        {"spec": {"template": "{{ .DisplayName"}},
        "spec.template",
        "couldn't parse template: template: :1: unclosed action",
    ),
    ({"spec": {}}, "spec.template", "in body is required"),
]

TRUST: list[Row] = [
    ({"spec": {"trustDomain": "a", "caBundles": []}}, "spec.caBundles", "in body should have at least 1 items"),
    (
        {"spec": {"trustDomain": "a" * 254, "caBundles": [{"type": "Pem"}]}},
        "spec.trustDomain",
        "in body should be at most 253 chars long",
    ),
]

EXTERNAL: list[Row] = [
    ({"spec": {"endpoints": []}}, "spec.match", "in body is required"),
    (
        {"spec": {"match": {"port": 80}, "endpoints": [{"address": "", "port": 1}]}},
        "spec.endpoints[0].address",
        "in body should be at least 1 chars long",
    ),
    (
        {"spec": {"match": {"port": 80, "protocol": "kafka"}}},
        "spec.match.protocol",
        "in body should be one of [tcp grpc http http2]",
    ),
    (
        {"spec": {"match": {"port": 80}, "tls": {"verification": {"caCert": {"inline": "a b"}}}}},
        "spec.tls.verification.caCert.inline",
        'in body must be of type byte: "a b"',
    ),
    ({"spec": {"match": {"port": 2**31}}}, "spec.match.port", "in body should be less than or equal to 65535"),
]

MULTI_ZONE: list[Row] = [
    (
        {"spec": {"selector": {"meshService": {}}, "ports": []}},
        "spec.ports",
        "in body should have at least 1 items",
    ),
]

ZONE_PROXIES: dict[str, list[Row]] = {
    "ZoneIngress": [
        ({"networking": {"port": 0}}, "networking.port", PORT),
        (
            {"networking": {"port": 1, "advertisedPort": 1}},
            "networking.advertisedAddress",
            "has to be defined with advertisedPort",
        ),
        (
            {"networking": {"port": 1, "address": "0.0.0.0"}},
            "networking.address.address",
            "must not be 0.0.0.0 or ::",
        ),
        ({"networking": {"port": 1, "admin": {"port": 1}}}, "networking.admin.port", "must differ from port"),
    ],
    "ZoneEgress": [
        ({"networking": {"port": 0}}, "networking.port", PORT),
        (
            {"networking": {"port": 1, "address": "a b"}},
            "networking.address.address",
            "address has to be valid IP address or domain name",
        ),
    ],
}

RESOURCES = {
    "MeshGateway": GATEWAY,
    "MeshGatewayRoute": GATEWAY_ROUTE,
    "Mesh": MESH,
    "MeshIdentity": IDENTITY,
    "HostnameGenerator": GENERATOR,
    "MeshTrust": TRUST,
    "MeshExternalService": EXTERNAL,
    "MeshMultiZoneService": MULTI_ZONE,
    **ZONE_PROXIES,
}
