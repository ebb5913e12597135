"""Names of abilities that peers announce to each other.

Peers ignore names they do not know, so ours can be announced to real Kuma control planes, too.
"""

from __future__ import annotations

HASH_SUFFIX = "hash-suffix"
"""Synced names end with a hash (node and call metadata)."""

PRODUCER_POLICIES = "producer-policy-flow"
"""Understands policies of other zones."""

OPTIONAL_TARGET = "optional-top-level-target-ref"
"""Understands policies without a top-level targetRef."""

MULTIZONE_SELECTOR = "hg-mz-selector"
"""Understands HostnameGenerators that select MeshMultiZoneServices."""

ZONE_TOKEN = "zone-token"

PING = "zone-ping-health"
"""Calls the health check (call metadata)."""

RESUME = "ursa-resume"
"""Ours: says what it holds when it subscribes, and reads even the first response of a type as a difference. The sender
may then split it, and what the peer has is not sent again."""

ROLLOUT = "ursa.rollout"
"""Ours: reports how far its proxies are with each revision of the global."""

SHARES = "ursa.zone-shares"
"""Ours: gives an ingress the part of its weight that its label says; others get ingresses with fewer instances."""

HEARTBEAT = "ursa.heartbeat"
"""Ours: asks for proofs of life and answers for them (call metadata of a zone, and the head of a global's answer)."""

OF_NODE = (ZONE_TOKEN, HASH_SUFFIX, MULTIZONE_SELECTOR, PRODUCER_POLICIES, OPTIONAL_TARGET, RESUME, ROLLOUT, SHARES)
"""What our node metadata says."""

OF_CALLS = (PING, HASH_SUFFIX, RESUME, ROLLOUT, SHARES, HEARTBEAT)
"""What our zones' call metadata says."""

KEY = "features"
"""Where node metadata has them."""

QUIET = "ursa.quiet"
"""Ours, a key of node metadata beside the features: types of which a requester that says what it holds wants to hear
nothing if nothing differs. Others answer for them, too, which does no harm."""
