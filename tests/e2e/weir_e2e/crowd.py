"""Many clients at the same moment."""

import asyncio
from urllib.parse import urlsplit

import httpx

from .sse import ask, path_of
from .world import World


async def crowd(
    world: World, secret: str, count: int, until: bytes | None = None, streamed: bool = True
) -> list[bytes]:
    """Asks so often at once, each time over a connection of its own; answers what came of each, up to its end.

    With `until`, each is read up to these bytes and held until all have come so far. A hundred at a time come that far:
    it is open streams that are counted, not how fast a fake provider accepts connections.
    """
    address = urlsplit(world.gateway_url)
    body = httpx.Request("POST", "http://weir", json=ask("openai", "m", stream=streamed)).content
    head = f"POST {path_of('openai')} HTTP/1.1\r\nhost: weir\r\nauthorization: Bearer {secret}\r\nconnection: close\r\n"
    request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    arrived, beginning = asyncio.Barrier(count), asyncio.Semaphore(count if until is None else 100)
    world.admin.settle()

    async def one() -> bytes:
        async with beginning:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(request)
            received = b""
            while until is None or until not in received:
                try:
                    piece = await reader.read(65536)
                except ConnectionResetError:
                    break
                if not piece:
                    break
                received += piece
        if until is not None:
            await arrived.wait()
        writer.close()
        return received

    async with asyncio.timeout(60):
        return await asyncio.gather(*(one() for _ in range(count)))
