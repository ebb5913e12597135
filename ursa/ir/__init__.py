"""The plan for one proxy: plain structs near to Envoy's nouns, without protobuf.

The planner creates the nodes, policies adjust them in a fixed order, `ursa.envoy` turns them into bytes; after that
nobody touches them. Durations are nanoseconds everywhere; None means that Envoy's own default shall count.
"""
