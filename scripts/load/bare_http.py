"""GET over connections that stay open, with next to no work of its own: what a load client must not do is be the load.

Reads answers that name their length, as the marketplace's do; used by api_reads.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Bare:
    """Connections to one address; as many as are needed at once, each used again."""

    url: str
    _free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def get(self, path: str) -> int:
        """The status, once the whole answer is here."""
        base = urlsplit(self.url)
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection(base.hostname, base.port)
        writer.write(f"GET {base.path.rstrip('/')}/{path} HTTP/1.1\r\nHost: {base.netloc}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head))
        self._free.append((reader, writer))
        return int(head[9:12])

    async def close(self) -> None:
        """Hangs up."""
        for _, writer in self._free:
            writer.close()
            await writer.wait_closed()


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0])
