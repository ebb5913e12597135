"""MeshLoadBalancingStrategy: chooses among the endpoints of a destination, near ones first."""
