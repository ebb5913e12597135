"""The smallest service there is: says which zone it runs in. `python -m deploy.demo.workload ADDRESS PORT ZONE`."""

from __future__ import annotations

import sys

from aiohttp import web


def main() -> None:
    """Serves until it is killed."""
    address, port, zone = sys.argv[1:]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"zone": zone})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    web.run_app(app, host=address, port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    main()
