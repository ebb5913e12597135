"""`POST /bootstrap`: a launcher says which proxy it is about to start and gets the configuration Envoy starts with.

Nothing is written and no token is checked here: whoever shows the token on the discovery stream is whom we believe.
What can be known to fail later is refused now, in words, because a launcher can show them and Envoy cannot.
"""

from zone_cp.dp_server.bootstrap.handler import bootstrap_application

__all__ = ["bootstrap_application"]
