"""MeshFaultInjection: aborts, delays or slows down requests on purpose."""
