"""The section `loadBalancer` as Envoy takes it: sizes that it would refuse become the nearest that it does not."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from math import isqrt
from types import MappingProxyType

from ursa.ir.cluster import LeastRequest, LoadBalancer, Maglev, RandomChoice
from ursa.model.json import JsonObject
from ursa.policies.core.rings import ring

_HASH_FUNCTIONS: Mapping[str, str] = MappingProxyType({"XXHash": "XX_HASH", "MurmurHash2": "MURMUR_HASH_2"})


def balancer(conf: JsonObject) -> LoadBalancer | None:
    """The balancer of a conf, None for round robin."""
    match conf["type"]:
        case "LeastRequest":
            least: JsonObject = conf.get("leastRequest") or {}
            bias = least.get("activeRequestBias")
            return LeastRequest(least.get("choiceCount"), None if bias is None else float(bias))
        case "RingHash":
            sizes: JsonObject = conf.get("ringHash") or {}
            function = _HASH_FUNCTIONS.get(sizes.get("hashFunction", ""), "")
            return ring(function, sizes.get("minRingSize"), sizes.get("maxRingSize"))
        case "Maglev":
            size = (conf.get("maglev") or {}).get("tableSize")
            return Maglev(None if size is None else _prime(size))
        case "Random":
            return RandomChoice()
        case _:
            return None


def _prime(size: int) -> int:
    """The first prime from a size on, which is what a table of Maglev needs; the largest size allowed is one."""
    return next(n for n in count(max(size, 2)) if all(n % d for d in range(2, isqrt(n) + 1)))
