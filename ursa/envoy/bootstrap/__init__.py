"""The bootstrap: the little that Envoy must know before it can ask the control plane for the rest.

A pure function from facts about a proxy to the document of `spec/dataplane.md` §3, in proto3 JSON names, because
launchers read it as text and people look at it.
"""

from ursa.envoy.bootstrap.document import bootstrap_document
from ursa.envoy.bootstrap.inputs import BootstrapInputs, ControlPlane

__all__ = ["BootstrapInputs", "ControlPlane", "bootstrap_document"]
