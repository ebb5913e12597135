"""Plans are what Kuma 2.13 gives its proxies, for the recorded cases of the kinds whose effect is built."""

from __future__ import annotations

import pytest

from tests.golden.xds.harness import answers, case, recorder

XDS = (
    "01-inbound-protocols",
    "01b-inbound-tls-mysql",
    "02-outbound-protocols",
    "03-tproxy-dualstack",
    "08-trafficroute-legacy",
    "11-mtls-strict",
    "13-mtls-strict-no-permission",
    "19-meshservice-exclusive",
    "20-meshservice-unified-naming",
    "31-gateway-delegated",
    "34-prometheus-mtls",
    "38-direct-access",
    "41-proxytemplate",
    "44-nack",
    "47-dns-address",
)

POLICIES = (
    "circuitbreaker-blog",
    "circuitbreaker-detectors",
    "common-section-vs-port",
    "egress-default",
    "egress-mes-default",
    "egress-mes-forbidden-by-mesh",
    "egress-meshtrafficpermission",
    "externalservice-http",
    "externalservice-skipverify",
    "externalservice-tls",
    "faultinjection-all",
    "faultinjection-blog",
    "healthcheck-http",
    "mesh-metrics-blog",
    "mesh-metrics-full",
    "mesh-mtls-off",
    "meshaccesslog-rules",
    "meshfaultinjection-from-mesh",
    "meshfaultinjection-rules",
    "meshhealthcheck-http",
    "meshloadbalancingstrategy-disabled",
    "meshloadbalancingstrategy-route-hash",
    "meshmetric-otel",
    "meshratelimit-merge",
    "meshretry-httproute-target",
    "meshtcproute-split",
    "meshtimeout-httproute-old",
    "meshtimeout-real-ms",
    "mix-trafficlog-vs-meshaccesslog",
    "nort-inbound-policies",
    "ratelimit-blog",
    "retry-grpc-tcp",
    "trafficlog-grpc-and-tcp-services",
    "trafficroute-http",
    "trafficroute-split",
    "virtualoutbound-version",
)


@pytest.mark.parametrize("name", XDS)
async def test_configuration_is_as_recorded(name: str) -> None:
    await compare("xds", name)


@pytest.mark.parametrize("name", POLICIES)
async def test_policies_do_what_was_recorded(name: str) -> None:
    await compare("policies", name)


async def test_names_and_metrics_come_from_one_listener() -> None:
    recorded = case("policies", "meshpassthrough-none")
    if recorded is None:
        pytest.skip("recordings are not present")
    backend = {"type": "Prometheus", "prometheus": {}}
    spec = {"targetRef": {"kind": "Mesh"}, "default": {"backends": [backend]}}
    policy = {"type": "MeshMetric", "mesh": "default", "name": "metrics", "spec": spec}
    (got,) = (await answers(recorded, policy)).values()
    (chain,) = got["lds"]["_kuma:dynamicconfig"]["filterChains"]
    routes = chain["filters"][0]["typedConfig"]["routeConfig"]["virtualHosts"][0]["routes"]
    assert [(route["match"]["path"], route["directResponse"]["status"]) for route in routes] == [
        (path, status) for path in ("/dns", "/meshmetric") for status in (304, 200)
    ]


async def compare(group: str, name: str) -> None:
    """Compares the configurations of a case's proxies with the recorded ones."""
    recorded = case(group, name)
    if recorded is None:
        pytest.skip("recordings are not present")
    got = await answers(recorded)
    normalise = recorder("normalise")
    for proxy, configuration in got.items():
        expected = normalise.normalise(recorded.expected(proxy))
        assert configuration == expected, normalise.differences(expected, configuration)
