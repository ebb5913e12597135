"""HTTP/2 for the port that proxies talk to: `connection` is the protocol without I/O, `protocol` is it on a transport.

`h2` keeps what is intricate and rare: header compression, what makes a request valid, states of streams, settings.
DATA, WINDOW_UPDATE and PING are what a control plane exchanges all day. A DATA frame in and one out through `h2` take
45 to 51 µs of CPU, more than the TLS around them; read and written here, with windows and budget, they take 10 to 13.
They touch nothing that `h2` has to know, apart from the end of a stream, which it is told. What a peer may cost is
limited here, too.
"""
