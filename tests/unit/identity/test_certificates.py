"""Workload certificates: the same for everybody, rotated in time, with Kuma's names."""

from cryptography import x509

from ursa.identity.ca import CertificateAuthority, create_mesh_ca
from ursa.identity.certificates import DAY, SECOND, LeafIssuer, slot_bounds, workload_request
from ursa.identity.pem import load_certificates

NOW = 1_795_000_000 * SECOND
TAGS = [("kuma.io/zone", ["east"]), ("kuma.io/service", ["web", "api", "web"]), ("version", ["v1"])]


def authority() -> CertificateAuthority:
    return create_mesh_ca("default", NOW)


def test_uri_names_list_services_first_then_all_tags_sorted() -> None:
    request = workload_request("default", TAGS)
    assert request.uris == (
        "spiffe://default/api",
        "spiffe://default/web",
        "kuma://kuma.io/service/api",
        "kuma://kuma.io/service/web",
        "kuma://kuma.io/zone/east",
        "kuma://version/v1",
    )


def test_two_control_planes_with_one_ca_issue_identical_certificates() -> None:
    ca = authority()
    other = CertificateAuthority.load(ca.bundle_pem, ca.key_pem)
    request = workload_request("default", TAGS)
    assert LeafIssuer(ca).issue(request, NOW) == LeafIssuer(other).issue(request, NOW)


def test_another_ca_gives_another_key() -> None:
    request = workload_request("default", TAGS)
    assert LeafIssuer(authority()).issue(request, NOW).key_pem != LeafIssuer(authority()).issue(request, NOW).key_pem


def test_certificate_is_valid_through_its_slot_and_replaced_at_its_end() -> None:
    issuer, request = LeafIssuer(authority()), workload_request("default", TAGS, life=25 * SECOND)
    first = issuer.issue(request, NOW)
    assert issuer.issue(request, first.renew_at - 1) == first
    second = issuer.issue(request, first.renew_at)
    assert second != first
    assert second.renew_at - first.renew_at == 20 * SECOND
    assert first.not_after - first.renew_at == 5 * SECOND


def test_slots_of_different_names_do_not_all_begin_at_once() -> None:
    starts = {slot_bounds(workload_request("m", [("kuma.io/service", [f"s{i}"])], DAY), NOW)[0] for i in range(50)}
    assert len(starts) > 40


def test_certificate_says_what_kuma_says() -> None:
    ca = authority()
    leaf = load_certificates(LeafIssuer(ca).issue(workload_request("default", TAGS), NOW).certificate_pem)[0]
    assert not list(leaf.subject)
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert san.critical
    leaf.verify_directly_issued_by(ca.certificate)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
