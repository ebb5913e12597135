"""Specs that break rules of references and of the policies that are about connections: the field, the reason."""

from __future__ import annotations

from typing import Any

from tests.unit.policies.broken import GATEWAY, MESH, ROUTE, SERVICE, rules, to

LIMITS = {"connectionLimits": {"maxRetries": 1}}


def attached(**target: Any) -> dict[str, Any]:
    return to({"idleTimeout": "1s"}, top=target)


def aimed(**target: Any) -> dict[str, Any]:
    return to({"idleTimeout": "1s"}, target)


def unwanted(kind: str) -> str:
    return f"must not be set with kind {kind}"


TOP = "spec.targetRef"
DESTINATION = "spec.to[0].targetRef"
NAME_CHARACTERS = "invalid characters: must consist of lower case alphanumeric characters, '-', '.' and '_'."
REFERENCES = [
    (attached(kind="Mesh", name="x"), f"{TOP}.name", "using name with kind Mesh is not yet supported"),
    *(
        (attached(**{"kind": "Mesh", field: value}), f"{TOP}.{field}", unwanted("Mesh"))
        for field, value in (
            ("mesh", "a"),
            ("tags", {"a": "b"}),
            ("labels", {"a": "b"}),
            ("namespace", "a"),
            ("sectionName", "a"),
        )
    ),
    *(
        (attached(**{"kind": "MeshSubset", field: value}), f"{TOP}.{field}", unwanted("MeshSubset"))
        for field, value in (("name", "a"), ("labels", {"a": "b"}), ("namespace", "a"), ("sectionName", "a"))
    ),
    (
        attached(kind="Mesh", proxyTypes=[]),
        f"{TOP}.proxyTypes",
        "must be undefined or have at least one element",
    ),
    (
        attached(kind="MeshSubset", tags={"a": "*"}),
        f'{TOP}.tags["a"]',
        "tag value must consist of alphanumeric characters, dots, dashes and underscores",
    ),
    (attached(kind="MeshService"), f"{TOP}.name", "must be set with kind MeshService"),
    (attached(kind="MeshService", name="A"), f"{TOP}.name", NAME_CHARACTERS),
    (attached(kind="MeshService", name="a", tags={"a": "b"}), f"{TOP}.tags", unwanted("MeshService")),
    (
        attached(kind="MeshService", name="a", labels={"a": "b"}),
        f"{TOP}.labels",
        "either labels or name and namespace must be specified",
    ),
    (attached(kind="MeshServiceSubset"), f"{TOP}.name", "must be set with kind MeshServiceSubset"),
    (attached(kind="MeshGateway"), f"{TOP}.name", "must be set with kind MeshGateway"),
    (attached(kind="MeshGateway", name="a", labels={"a": "b"}), f"{TOP}.labels", unwanted("MeshGateway")),
    (attached(kind="Dataplane", tags={"a": "b"}), f"{TOP}.tags", unwanted("Dataplane")),
    (attached(kind="Dataplane", proxyTypes=["Sidecar"]), f"{TOP}.proxyTypes", unwanted("Dataplane")),
    (
        attached(kind="MeshExternalService", name="a"),
        f"{TOP}.kind",
        "value 'MeshExternalService' is not supported",
    ),
    (
        aimed(kind="MeshExternalService", name="a", labels={"a": "b"}),
        f"{DESTINATION}.labels",
        "either labels or name must be specified",
    ),
    (
        aimed(kind="MeshExternalService", name="a", sectionName="b"),
        f"{DESTINATION}.sectionName",
        unwanted("MeshExternalService"),
    ),
    (aimed(kind="MeshHTTPRoute", name="a", sectionName="b"), f"{DESTINATION}.sectionName", unwanted("MeshHTTPRoute")),
    (aimed(kind="MeshSubset"), f"{DESTINATION}.kind", "value 'MeshSubset' is not supported"),
]

NOT_NEGATIVE = "must not be negative when defined"
ON_ROUTE = "can't be specified when top-level TargetRef is referencing MeshHTTPRoute"
TIMEOUT = [
    *REFERENCES,
    ({"targetRef": MESH}, "spec", "at least one of 'from', 'to' or 'rules' has to be defined"),
    (
        {**to({"idleTimeout": "1s"}), "rules": [{"default": {"idleTimeout": "1s"}}]},
        "spec",
        "fields 'to' and 'from' must be empty when 'rules' is defined",
    ),
    (
        {"targetRef": GATEWAY, "from": [{"targetRef": MESH, "default": {"idleTimeout": "1s"}}]},
        "spec.from",
        "must not be defined",
    ),
    (to({}), "spec.to[0].default", "at least one timeout should be configured"),
    (rules({}), "spec.rules[0].default", "at least one timeout should be configured"),
    (
        to({"http": {"requestHeadersTimeout": "1s"}}),
        "spec.to[0].default.http",
        "at least one timeout in this section should be configured",
    ),
    (
        to({"connectionTimeout": "0s"}),
        "spec.to[0].default.connectionTimeout",
        "must be greater than zero when defined",
    ),
    (to({"idleTimeout": "-1s"}), "spec.to[0].default.idleTimeout", NOT_NEGATIVE),
    (
        to({"http": {"requestTimeout": "1s", "streamIdleTimeout": "-1s"}}),
        "spec.to[0].default.http.streamIdleTimeout",
        NOT_NEGATIVE,
    ),
    (to({"connectionTimeout": "1s"}, top=ROUTE), "spec.to[0].default.connectionTimeout", ON_ROUTE),
    (to({"http": {"maxStreamDuration": "1s"}}, top=ROUTE), "spec.to[0].default.http.maxStreamDuration", ON_ROUTE),
]

RETRY_CONF = "spec.to[0].default.conf"
RETRY = [
    ({"targetRef": MESH}, "spec.to", "needs at least one item"),
    (to({}), RETRY_CONF, "at least one of the 'tcp', 'http', 'grpc' must be specified"),
    (to({"tcp": {}}), f"{RETRY_CONF}.tcp", "must not be empty"),
    (to({"http": {"hostSelectionMaxAttempts": 1}}), f"{RETRY_CONF}.http", "must not be empty"),
    (to({"grpc": {}}), f"{RETRY_CONF}.grpc", "must not be empty"),
    (to({"tcp": {"maxConnectAttempt": 0}}), f"{RETRY_CONF}.tcp.maxConnectAttempt", "must be greater than 0"),
    (to({"http": {"backOff": {}}}), f"{RETRY_CONF}.http.backOff", "must not be empty"),
    (
        to({"grpc": {"rateLimitedBackOff": {"resetHeaders": [{"name": "a", "format": "Seconds"}]}}}),
        f"{RETRY_CONF}.grpc.rateLimitedBackOff.maxInterval",
        "must be defined and greater than zero",
    ),
    (
        to({"http": {"rateLimitedBackOff": {"maxInterval": "1s"}}}),
        f"{RETRY_CONF}.http.rateLimitedBackOff.resetHeaders",
        "must be defined",
    ),
    (to({"http": {"retryOn": ["5xx", "Nope"]}}), f"{RETRY_CONF}.http.retryOn[1]", "unknown item 'Nope'"),
    (
        to({"http": {"hostSelection": [{"predicate": "OmitHostsWithTags"}]}}),
        f"{RETRY_CONF}.http.hostSelection[0].tags",
        "must be defined",
    ),
    (
        to({"http": {"hostSelection": [{"predicate": "OmitPreviousPriorities"}] * 2}}),
        f"{RETRY_CONF}.http.hostSelection[1].predicate",
        "OmitPreviousPriorities must only be specified once",
    ),
    (
        to({"tcp": {"maxConnectAttempt": 1}}, SERVICE, top=GATEWAY),
        "spec.to[0].targetRef.kind",
        "value 'MeshService' is not supported",
    ),
]


def detecting(**detection: Any) -> dict[str, Any]:
    return to({"outlierDetection": {"detectors": {"totalFailures": {}}, **detection}})


def detected(**detectors: Any) -> dict[str, Any]:
    return to({"outlierDetection": {"detectors": detectors}})


DETECTION = "spec.to[0].default.outlierDetection"
WHOLE = "must be in inclusive range [0, 100]"
CIRCUIT_BREAKER = [
    ({"targetRef": MESH}, "spec", "at least one of 'from', 'to' or 'rules' has to be defined"),
    (
        rules({}),
        "spec.from[0].default",
        "at least one of: 'connectionLimits' or 'outlierDetection' should be configured",
    ),
    *(
        (
            to({"connectionLimits": {name: 0}}),
            f"spec.to[0].default.connectionLimits.{name}",
            "must be greater than 0",
        )
        for name in ("maxConnectionPools", "maxConnections", "maxPendingRequests", "maxRequests", "maxRetries")
    ),
    (to({"outlierDetection": {}}), f"{DETECTION}.detectors", "must be defined"),
    (
        detected(),
        f"{DETECTION}.detectors",
        "must have at least one defined: totalFailures, gatewayFailures, localOriginFailures, successRate, "
        "failurePercentage",
    ),
    (detecting(interval="0s"), f"{DETECTION}.interval", "must be greater than zero when defined"),
    (detecting(baseEjectionTime="0s"), f"{DETECTION}.baseEjectionTime", "must be greater than zero when defined"),
    (detecting(maxEjectionPercent=101), f"{DETECTION}.maxEjectionPercent", WHOLE),
    (
        detecting(healthyPanicThreshold="100.1"),
        f"{DETECTION}.healthyPanicThreshold",
        "must be in inclusive range [0.0, 100.0]",
    ),
    (
        detected(gatewayFailures={"consecutive": 0}),
        f"{DETECTION}.detectors.gatewayFailures.consecutive",
        "must be greater than 0",
    ),
    (
        detected(successRate={"standardDeviationFactor": "x"}),
        f"{DETECTION}.detectors.successRate.standardDeviationFactor",
        "invalid number",
    ),
    (
        detected(successRate={"standardDeviationFactor": 0}),
        f"{DETECTION}.detectors.successRate.standardDeviationFactor",
        "must be greater than 0",
    ),
    (detected(failurePercentage={"threshold": 101}), f"{DETECTION}.detectors.failurePercentage.threshold", WHOLE),
    (
        to(LIMITS, {"kind": "MeshExternalService", "name": "a"}),
        "spec.to[0].targetRef.kind",
        "value 'MeshExternalService' is not supported",
    ),
]


def permitted(action: Any) -> dict[str, Any]:
    return {"targetRef": MESH, "from": [{"targetRef": MESH, "default": action}]}


def allowed(value: str) -> dict[str, Any]:
    return rules({"allow": [{"spiffeID": {"type": "Prefix", "value": value}}]})


SPIFFE = "spec.rules[0].allow[0].spiffeID"
TRAFFIC_PERMISSION = [
    ({"targetRef": MESH}, "spec", "at least one of 'from' or 'rules' has to be defined"),
    (
        {**permitted({"action": "Allow"}), **allowed("spiffe://a")},
        "spec",
        "field 'from' must be empty when 'rules' is defined",
    ),
    (permitted({}), "spec.from[0].default.action", "must be defined"),
    (
        permitted({"action": "ALLOW"}),
        "spec.from[0].default.action",
        "in body should be one of [Allow Deny AllowWithShadowDeny]",
    ),
    (
        rules({}),
        "spec.rules[0]",
        "at least one of 'allow', 'allowWithShadowDeny', 'deny' has to be defined",
    ),
    (allowed("spiffe://a/"), SPIFFE, "must be a valid Spiffe ID"),
    (allowed("https://a"), SPIFFE, "must be a valid Spiffe ID"),
]

COMMON_TABLES = {
    "MeshTimeout": TIMEOUT,
    "MeshRetry": RETRY,
    "MeshCircuitBreaker": CIRCUIT_BREAKER,
    "MeshTrafficPermission": TRAFFIC_PERMISSION,
}
