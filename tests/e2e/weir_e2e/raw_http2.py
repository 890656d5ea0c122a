"""A server of HTTP/2 that does what libraries for servers avoid."""

import asyncio
import json
import ssl
import threading
from types import TracebackType

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from .secure import Authority

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "answered"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


class ForgetfulServer:
    """Answers the first request of a connection only, and says so when others have come (GOAWAY with a last stream: RFC 9113,
    6.8). After so many of such connections it answers everything.
    """

    def __init__(self, authority: Authority, forgetful_connections: int):
        self.left = forgetful_connections
        self.forgotten = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.context = authority.server("localhost")
        self.context.set_alpn_protocols(["h2"])
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> "ForgetfulServer":
        self.thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.server = asyncio.run_coroutine_threadsafe(starting, self.loop).result(10)
        self.base_url = f"https://localhost:{self.server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _end(self) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        http2 = H2Connection(H2Configuration(client_side=False))
        http2.initiate_connection()
        asked: list[int] = []
        is_forgetful = self.left > 0
        self.left -= 1
        while data := await reader.read(65536):
            for event in http2.receive_data(data):
                if isinstance(event, RequestReceived):
                    asked.append(event.stream_id)
                elif isinstance(event, StreamEnded) and not is_forgetful:
                    self._answer(http2, event.stream_id)
            if is_forgetful and len(asked) > 1:
                self.forgotten += len(asked) - 1
                self._answer(http2, asked[0])
                http2.close_connection(last_stream_id=asked[0])
                writer.write(http2.data_to_send())
                break
            writer.write(http2.data_to_send())
        writer.close()

    def _answer(self, http2: H2Connection, stream_id: int) -> None:
        body = json.dumps(ANSWER).encode()
        headers = [(":status", "200"), ("content-type", "application/json"), ("content-length", str(len(body)))]
        http2.send_headers(stream_id, headers)
        http2.send_data(stream_id, body, end_stream=True)
