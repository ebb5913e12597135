"""`ursa-dp`: runs one Envoy beside a workload or at the edge of a zone. Own process; knows no control-plane code."""
