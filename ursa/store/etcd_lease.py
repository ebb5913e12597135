"""Leases in etcd: a key bound to an etcd lease, created when there is none; its creation revision is the token.

A candidate waits for the key to vanish on a watch, so waiting costs nothing. etcd counts the time to live itself and
starts anew after an election of its own, so no clock of ours or of a server's wall matters.
"""

from __future__ import annotations

import logging
import math
from contextlib import aclosing
from functools import partial

from ursa.errors import Unavailable
from ursa.runtime.clock import Clock
from ursa.store import etcd_keys as op
from ursa.store.contract import Lease
from ursa.store.etcd_client import EtcdClient
from ursa.store.etcd_keys import Keys
from ursa.store.etcd_methods import GRANT, KEEP_ALIVE, RANGE, REVOKE, TXN, WATCH
from ursa.store.renewed_lease import RenewedLease
from ursa.wire import etcd_pb2 as pb

log = logging.getLogger(__name__)


class EtcdLeases:
    """Takes leases for one process."""

    def __init__(self, client: EtcdClient, keys: Keys, clock: Clock) -> None:
        self._client, self._keys, self._clock = client, keys, clock
        self._taken: set[RenewedLease] = set()

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        """See `Store.acquire`."""
        while True:
            found = await self._client.call(RANGE, pb.RangeRequest(key=self._keys.lease(name)))
            if found.kvs:
                await self._until_free(name, found.header.revision + 1)
            elif (lease := await self._take(name, holder, ttl)) is not None:
                self._taken = {taken for taken in self._taken if taken.held} | {lease}
                return lease

    async def close(self) -> None:
        """Stops renewing; the leases run out."""
        for lease in self._taken:
            await lease.abandon()

    async def _take(self, name: str, holder: str, ttl: float) -> RenewedLease | None:
        asked = self._clock.monotonic()
        granted = await self._client.call(GRANT, pb.LeaseGrantRequest(TTL=math.ceil(ttl)))
        key = self._keys.lease(name)
        request = pb.TxnRequest(
            compare=[op.same_origin(key, 0)],
            success=[op.put(key, holder.encode(), granted.ID)],
            failure=[op.get(key)],
        )
        answer = await self._client.call(TXN, request)
        token = answer.header.revision
        if not answer.succeeded:
            # Somebody was faster, or the answer to a first attempt of ours got lost.
            present = [kv for r in answer.responses for kv in r.response_range.kvs if kv.lease == granted.ID]
            if not present:
                await self._free(granted.ID)
                return None
            token = present[0].create_revision
        return RenewedLease(
            name,
            token,
            ttl=granted.TTL,
            asked=asked,
            clock=self._clock,
            renew=partial(self._renew, granted.ID),
            free=partial(self._free, granted.ID),
        )

    async def _renew(self, lease: int) -> bool:
        # A stream to etcd, of which this is one question and its answer: so it is asked elsewhere if a member hangs.
        return (await self._client.call(KEEP_ALIVE, pb.LeaseKeepAliveRequest(ID=lease))).TTL > 0

    async def _free(self, lease: int) -> None:
        await self._client.call(REVOKE, pb.LeaseRevokeRequest(ID=lease))

    async def _until_free(self, name: str, revision: int) -> None:
        """Returns when the key was deleted at or after `revision`, or when a new look is due."""
        wanted = pb.WatchCreateRequest(key=self._keys.lease(name), start_revision=revision)
        try:
            async with aclosing(self._client.converse(WATCH, pb.WatchRequest(create_request=wanted))) as answers:
                async for answer in answers:
                    if answer.canceled or any(event.type == pb.Event.DELETE for event in answer.events):
                        return
        except Unavailable as error:
            log.debug("watch of a lease broken", extra={"lease": name, "error": str(error)})
        await self._clock.sleep(self._clock.uniform(0.1, 0.5))
