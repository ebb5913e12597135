"""Where MeshPassthrough has no effect although it selects a proxy."""

from __future__ import annotations


def unsupported(*, builtin_gateway: bool, redirected: bool) -> tuple[str, ...]:
    """What the rules of a proxy warn of.

    Args:
        builtin_gateway: whether Envoy itself is the gateway.
        redirected: whether the workload's connections are redirected into the proxy.
    """
    if builtin_gateway:
        return ("policy doesn't support builtin gateway",)
    return () if redirected else ("policy doesn't support proxy running without transparent-proxy",)
