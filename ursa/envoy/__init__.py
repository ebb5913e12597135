"""From the plan to Envoy's own bytes: one module per noun, nothing here knows policies or resources.

Messages are built from keyword arguments and nested dicts, which protobuf turns into messages natively; that is both
shorter and much faster than going through JSON. Serialisation is deterministic, so equal plans have equal bytes.
"""
