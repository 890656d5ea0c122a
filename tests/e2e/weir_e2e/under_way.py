"""A stream that somebody may end."""

import contextlib
import time

import httpx

from weir_e2e.sse import ask, headers_of, path_of


def streamed(url: str, shown: dict[str, str], schema: str, begun: set[tuple[str, str]]) -> tuple[float, float, bytes, str]:
    """Reads a stream of the model `m` to its end, and notes when it has begun. `shown`: headers by which the app says who it is. Answers when
    the last byte came, when the stream ended, all bytes, and the request's id.
    """
    last, received = 0.0, b""
    body = ask(schema, "m") | {"stream": True}
    headers = headers_of(schema) | shown
    with httpx.Client(timeout=30) as http, http.stream("POST", url + path_of(schema), json=body, headers=headers) as answer:
        assert answer.status_code == 200
        request_id = answer.headers["x-weir-request-id"]
        # Ended by its last event and a break, or by a break alone.
        with contextlib.suppress(httpx.RemoteProtocolError):
            for piece in answer.iter_raw():
                last, received = time.monotonic(), received + piece
                begun.add((url, schema))
    return last, time.monotonic(), received, request_id
