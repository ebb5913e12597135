"""Metrics as text are read, changed and written without losing anything."""

from __future__ import annotations

import pytest

from ursa.dataplane.metrics.config import Application, MetricsConfig, parse
from ursa.dataplane.metrics.envoy import prepared
from ursa.dataplane.metrics.exposition import Family, Sample, read, with_labels, write
from ursa.dataplane.metrics.gatherer import joined, unique
from ursa.dataplane.metrics.otlp import request
from ursa.dataplane.metrics.own import OwnMetrics
from ursa.dataplane.metrics.profiles import Profile
from ursa.dataplane.metrics.sources import Scraped
from ursa.errors import BadRequest

TEXT = """\
# HELP rpc_seconds How long calls take
# TYPE rpc_seconds histogram
rpc_seconds_bucket{le="0.1",path="/a,b{}\\"c"} 2
rpc_seconds_bucket{le="+Inf",path="/a,b{}\\"c"} 3
rpc_seconds_sum{path="/a,b{}\\"c"} 0.5
rpc_seconds_count{path="/a,b{}\\"c"} 3
# TYPE up gauge
up 1 1395066363000
# TYPE quantiles summary
quantiles{quantile="0.5"} 7
quantiles_sum 9
quantiles_count 2
"""


def test_text_survives() -> None:
    families = read(TEXT)
    assert [(family.name, family.type, len(family.samples)) for family in families] == [
        ("rpc_seconds", "histogram", 4),
        ("up", "gauge", 1),
        ("quantiles", "summary", 3),
    ]
    assert write(families) == TEXT


def test_samples_without_types_and_lines_without_sense() -> None:
    assert write(read('one 1\n\nnonsense\nbroken{a=1} 2\n# a comment\ntwo{a="b",} 2\n')) == (
        '# TYPE one untyped\none 1\n# TYPE two untyped\ntwo{a="b"} 2\n'
    )


def test_open_metrics_become_text() -> None:
    calls = '# TYPE calls counter\ncalls_total{a="b"} 1 1.5 # {trace_id="x"} 1\n'
    text = calls + '# TYPE build info\nbuild_info{v="1"} 1\n# EOF\n'
    families = read(text, "application/openmetrics-text; version=1.0.0")
    assert write(families) == (
        '# TYPE calls_total counter\ncalls_total{a="b"} 1 1500\n# TYPE build_info gauge\nbuild_info{v="1"} 1\n'
    )


def test_labels_that_are_there_stay() -> None:
    assert with_labels('mesh="own",a="x"', {"mesh": "default", "zone": 'e"ast'}) == 'mesh="own",a="x",zone="e\\"ast"'
    assert with_labels("", {"mesh": "default"}) == 'mesh="default"'


def test_parts_of_a_service_count_as_one_and_traffic_of_the_mesh_is_marked() -> None:
    text = "\n".join(
        [
            "# TYPE envoy_cluster_upstream_rq counter",
            'envoy_cluster_upstream_rq{envoy_cluster_name="backend-0123456789abcdef"} 2',
            'envoy_cluster_upstream_rq{envoy_cluster_name="backend-fedcba9876543210"} 3',
            'envoy_cluster_upstream_rq{envoy_cluster_name="ads_cluster"} 1',
            'envoy_cluster_upstream_rq{envoy_cluster_name="_kuma:metrics:hijacker"} 1',
            "# TYPE envoy_http_downstream_rq counter",
            'envoy_http_downstream_rq{envoy_http_conn_manager_prefix="admin"} 1',
            'envoy_http_downstream_rq{envoy_http_conn_manager_prefix="localhost_8080"} 1',
        ]
    )
    lines = write(prepared(read(text))).splitlines()
    assert lines[1] == 'envoy_cluster_upstream_rq{envoy_cluster_name="backend",kuma_io_mesh_traffic="true"} 5'
    assert ["kuma_io_mesh_traffic" in line for line in lines[2:]] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("sidecar", "shown"),
    [
        ({}, ["envoy_server_live", "envoy_cluster_upstream_rq"]),
        ({"profiles": {"appendProfiles": [{"name": "None"}]}}, []),
        (
            {"profiles": {"appendProfiles": [{"name": "Basic"}, {"name": "All"}]}},
            ["envoy_server_live", "envoy_cluster_upstream_rq", "envoy_cluster_version"],
        ),
        (
            {"profiles": {"exclude": [{"type": "Regex", "match": "serv.r_l"}], "include": []}},
            ["envoy_cluster_upstream_rq"],
        ),
        (
            {"profiles": {"appendProfiles": [{"name": "None"}], "include": [{"type": "Contains", "match": "version"}]}},
            ["envoy_cluster_version"],
        ),
        (
            {
                "profiles": {
                    "exclude": [{"type": "Prefix", "match": "envoy_"}],
                    "include": [{"type": "Exact", "match": "envoy_server_live"}],
                }
            },
            ["envoy_server_live"],
        ),
        (
            {"profiles": {"exclude": [{"type": "Regex", "match": "(?!"}]}},
            ["envoy_server_live", "envoy_cluster_upstream_rq"],
        ),
    ],
)
def test_profile_then_exclude_then_include(sidecar: dict, shown: list[str]) -> None:
    text = 'envoy_server_live 1\nenvoy_cluster_upstream_rq{envoy_cluster_name="web"} 1\nenvoy_cluster_version 1\n'
    assert [family.name for family in Profile.of(sidecar).apply(read(text))] == shown


def test_basic_leaves_out_clusters_that_are_nobodys_business() -> None:
    text = "".join(f'envoy_cluster_upstream_rq{{envoy_cluster_name="{one}"}} 1\n' for one in ("ads_cluster", "web"))
    (family,) = Profile().apply(read(text))
    assert [sample.labels for sample in family.samples] == ['envoy_cluster_name="web"']


def test_answers_are_joined_in_the_richest_format() -> None:
    found = joined(
        [
            Scraped("a 1\n", "text/plain; version=0.0.4"),
            Scraped("b 1\n# EOF\n", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ]
    )
    assert found.text == "a 1\nb 1\n# EOF\n"
    assert found.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert joined([Scraped("a 1\n", "text/plain")]).text == "a 1\n"


def test_families_of_one_name_are_one() -> None:
    one = Family("a", "gauge", "", [Sample("a", "", "1"), Sample("a", 'b="c"', "2")])
    (family,) = unique([one, Family("a", "gauge", "", [Sample("a", "", "7")])])
    assert [(sample.labels, sample.value) for sample in family.samples] == [("", "1"), ('b="c"', "2")]


def test_messages_of_open_telemetry() -> None:
    text = f'{TEXT}# TYPE calls counter\ncalls{{a="x\\\\y"}} 4\n'
    sent = request(read(text), {"service.name": "web"}, version="1", started=5, now=9)
    (whole,) = sent.resource_metrics
    assert whole.resource.attributes[0].value.string_value == "web"
    found = {metric.name: metric for metric in whole.instrumentation_library_metrics[0].metrics}
    (histogram,) = found["rpc_seconds"].histogram.data_points
    assert (list(histogram.explicit_bounds), list(histogram.bucket_counts)) == ([0.1], [2, 1])
    assert (histogram.count, histogram.sum, histogram.attributes[0].value.string_value) == (3, 0.5, '/a,b{}"c')
    (summary,) = found["quantiles"].summary.data_points
    assert (summary.quantile_values[0].quantile, summary.quantile_values[0].value, summary.count) == (0.5, 7, 2)
    (counter,) = found["calls"].sum.data_points
    assert (counter.as_double, counter.start_time_unix_nano, counter.attributes[0].value.string_value) == (4, 5, "x\\y")
    assert found["calls"].sum.is_monotonic
    assert found["up"].gauge.data_points[0].time_unix_nano == 1395066363000 * 10**6


def test_configuration_of_a_mesh_metric() -> None:
    body = (
        b'{"observability":{"metrics":{"applications":[{"name":null,"path":"/m","port":8,"address":""}],'
        b'"backends":[{"type":"Prometheus","name":null},{"type":"OpenTelemetry","name":"c-4317",'
        b'"openTelemetry":{"endpoint":"/s.sock","refreshInterval":"30s"}}],"extraLabels":{"mesh":"default"}}}}'
    )
    config = parse(body)
    assert config.applications == (Application("", "", 8, "/m"),)
    assert [(one.name, one.socket, one.every) for one in config.collectors] == [("c-4317", "/s.sock", 30.0)]
    assert config.labels == (("mesh", "default"),)
    assert parse(b'{"observability":{"metrics":{"applications":null,"backends":null}}}') == MetricsConfig()
    with pytest.raises(BadRequest):
        parse(b"{}")


def test_what_the_launcher_counts_has_the_names_of_old() -> None:
    own = OwnMetrics(service="web", version="1")
    own.calls.add("/meshmetric")
    own.durations.labels("/meshmetric").observe(0.2)
    text = write(own.families())
    assert "# TYPE kuma_dp_envoyconfigfetcher_handler_call_count counter\n" in text
    assert 'kuma_dp_envoyconfigfetcher_handler_call_count{path="/meshmetric"} 1' in text
    assert 'kuma_dp_envoyconfigfetcher_handler_call_duration_seconds_bucket{path="/meshmetric",le="0.25"} 1.0' in text
    assert 'target_info{service_name="web",service_version="1"} 1.0' in text
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text
