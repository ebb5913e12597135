"""What applies to one proxy: its inbounds and outbounds, and the policies that select them, with their origins."""
