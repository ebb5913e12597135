"""Settings every process has.

Keys, variables and defaults are those of the Kuma 2.13 line unless a text says ours.
"""

from __future__ import annotations

from ursa.runtime.config.setting import Duration, Group, StrList, setting


class General(Group):
    """Settings below `general`."""

    dns_cache_ttl: Duration = setting(
        10.0, env="GENERAL_DNS_CACHE_TTL", doc="how long a resolved data plane host name is cached", key="dnsCacheTTL"
    )
    tls_cert_file: str = setting(
        "", env="GENERAL_TLS_CERT_FILE", doc="PEM certificate used by every server that has none of its own"
    )
    tls_key_file: str = setting("", env="GENERAL_TLS_KEY_FILE", doc="PEM key for the above")
    tls_min_version: str = setting("TLSv1_2", env="GENERAL_TLS_MIN_VERSION", doc="pushed to every server when set")
    tls_max_version: str = setting("", env="GENERAL_TLS_MAX_VERSION", doc="pushed to every server when set")
    tls_cipher_suites: StrList = setting(
        (), env="GENERAL_TLS_CIPHER_SUITES", doc="pushed to every server when not empty"
    )
    work_dir: str = setting(
        "",
        env="GENERAL_WORK_DIR",
        doc="where the self-signed pair kuma-cp.crt / kuma-cp.key is kept; empty = $HOME/.kuma",
    )
    resilient_component_base_backoff: Duration = setting(
        5.0,
        env="GENERAL_RESILIENT_COMPONENT_BASE_BACKOFF",
        doc="first wait before a failed background component is restarted",
    )
    resilient_component_max_backoff: Duration = setting(
        60.0, env="GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF", doc="upper bound of that wait"
    )
