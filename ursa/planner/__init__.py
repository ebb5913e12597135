"""From resources to plans: generators make listeners and clusters, policies adjust them. Pure.

A proxy's plan has two halves. The outbound half depends on a few inputs that many proxies share, and is computed once
for all of them; the own half (admin, inbounds, passthrough) belongs to one proxy. Load assignments are computed once
per service, secrets come from the identity room.
"""
