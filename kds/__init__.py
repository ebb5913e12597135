"""KDS: how a global control plane and its zones keep each other's resources, in the wire format of Kuma 2.13.

Both ends are the same two machines. A *sender* offers resources (the global downwards, a zone upwards), a *requester*
receives them. Neither does any input or output; `streams` connects them to gRPC, `publisher` to the view, `applier` to
the store.
"""
