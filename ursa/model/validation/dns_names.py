"""Names that become part of host names: those that DNS would not take will stop working one day."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.model.names import is_dns_1035
from ursa.model.resource import Resource


def dns_name_warnings(resource: Resource) -> Sequence[str]:
    """A warning, in Kuma's words, when the name is no DNS label."""
    if is_dns_1035(resource.name):
        return ()
    return (
        f"Invalid {resource.kind} resource name: '{resource.name}'. It does not conform to the DNS format (RFC 1035). "
        "This is deprecated. Errors: a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
        "start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
        "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    )
