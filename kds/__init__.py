"""KDS: how a global control plane and its zones keep each other's resources, in the wire format of Kuma 2.13.

Both ends are the same two machines. A *sender* offers resources (the global downwards, a zone upwards), a *requester*
receives them. Neither does any input or output; `streams` connects them to gRPC, `publisher` to the view, `applier` to
the store.

Between two of ours the protocol says more, in places that Kuma's peers ignore:

* a requester tells what it holds, so that a reconnect sends differences only, and large states come in parts
  (feature `ursa-resume`, `held`, `sender`);
* responses carry the revision they complete as `<epoch>@<revision>` in `system_version_info` (`sender`);
* who sees that asks for the type `ursa.Heartbeat` every few seconds: a stream without answers is dead (`liveness`);
* a zone reports about its proxies as the type `ursa.Rollout` (feature `ursa.rollout`, `rollout_report`);
* answers to admin requests whose id begins with `parts:` come in parts (`admin_calls`).
"""
