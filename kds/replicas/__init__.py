"""Between the replicas of one control plane: who they are, and questions that only another one can answer.

A zone's streams end at one replica of the global; the others ask that one. Wire and catalogue are those of Kuma
(`spec/kds.md` §8.2): mutual TLS with a CA that the leader makes, pings from followers to the leader, a list that the
leader writes.
"""
