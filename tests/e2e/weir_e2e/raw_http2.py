"""A server of HTTP/2 that does what libraries for servers avoid."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

from .secure import Authority

# Answers one request: the connection, and the request's stream. What it leaves in the connection is sent, and behind that the bytes
# that it returns, for what the library itself would not send.
Script = Callable[[H2Connection, int], bytes | None]

SAID = "answered"
DOCUMENT = json.dumps({
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}).encode()


def _chunk(delta: dict, finish: str | None) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


EVENTS = [_chunk({"role": "assistant", "content": SAID}, None), _chunk({}, "stop"), b"data: [DONE]\n\n"]

JSON_200 = [(":status", "200"), ("content-type", "application/json")]
STREAM_200 = [(":status", "200"), ("content-type", "text/event-stream")]


def whole(http2: H2Connection, stream: int) -> None:
    """A good answer."""
    http2.send_headers(stream, [*JSON_200, ("content-length", str(len(DOCUMENT)))])
    http2.send_data(stream, DOCUMENT, end_stream=True)


class Http2Server:
    """Answers each request as its script says, once it has all of it, or at the first sign of it; `base_url` says where."""

    def __init__(self, authority: Authority, script: Script, when: type[StreamEnded | RequestReceived] = StreamEnded):
        self.script = script
        self.when = when
        self.writers: list[asyncio.StreamWriter] = []
        self.failure: Exception | None = None
        self.context = authority.server("localhost")
        self.context.set_alpn_protocols(["h2"])
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> "Http2Server":
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.server = self.loop.run_until_complete(starting)
        self.thread.start()
        self.base_url = f"https://localhost:{self.server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
        if error is None and self.failure is not None:
            raise self.failure

    def vanish(self) -> None:
        """Breaks every connection off, without a word."""

        def abort() -> None:
            for writer in self.writers:
                writer.transport.abort()

        self.loop.call_soon_threadsafe(abort)

    async def _end(self) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        # What is malformed is sent as it is.
        http2 = H2Connection(H2Configuration(client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False))
        http2.initiate_connection()
        while http2.state_machine.state is not ConnectionState.CLOSED:
            try:
                data = await reader.read(65536)
            except (ConnectionError, ssl.SSLError):
                break
            if not data:
                break
            try:
                received = http2.receive_data(data)
            except ProtocolError:
                # The peer said no to what it was sent.
                break
            for event in received:
                if isinstance(event, self.when):
                    writer.write(self._answer(http2, event.stream_id))
            writer.write(http2.data_to_send())
        writer.close()

    def _answer(self, http2: H2Connection, stream: int) -> bytes:
        try:
            more = self.script(http2, stream) or b""
        except Exception as error:
            # What the script could not send was not tested.
            self.failure = error
            raise
        return http2.data_to_send() + more
