"""How many connections may wait to be accepted, at every port."""

BACKLOG = 1024
"""Connections that the system makes before we have accepted them; it allows no more than its `net.core.somaxconn`.

When an instance dies, thousands of proxies and callers come to the others within a second. Those that find no place
here are not refused but try again after one, three, seven seconds: the storm would last longer than it has to."""
