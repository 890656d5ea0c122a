"""HTTP over a bare socket, for what no client library would send."""

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .sse import headers_of, path_of


def post_head(schema: str, secret: str, *more: str) -> bytes:
    """The head of a chat request; `more` says how long its body is."""
    headers = {"host": "weir", "authorization": f"Bearer {secret}", "content-type": "application/json"}
    lines = [f"POST {path_of(schema)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (headers | headers_of(schema)).items()]
    return "\r\n".join([*lines, *more, "", ""]).encode()


class Connection:
    """A connection to the gateway."""

    def __init__(self, url: str, timeout_s: float = 10):
        address = urlsplit(url)
        self.timeout_s = timeout_s
        self.socket = socket.create_connection((address.hostname, address.port), timeout=timeout_s)
        # Each piece is a packet of its own.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, piece: bytes) -> None:
        """Sends a piece now."""
        self.socket.sendall(piece)

    def silent(self) -> bool:
        """Whether nothing has come back so far, not even an end."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
            return False
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(self.timeout_s)

    def answer(self, received: bytes = b"") -> bytes:
        """Everything until the other side ends or the answer is whole by its own length, after what came before."""
        while True:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                return received
            if not piece:
                return received
            received += piece
            if _is_whole(received):
                return received

    def until(self, words: bytes) -> bytes:
        """What comes, up to these bytes at least."""
        received = b""
        while words not in received:
            piece = self.socket.recv(65536)
            assert piece, f"it ended before {words!r}: {received!r}"
            received += piece
        return received

    def until_closed(self) -> bytes:
        """Everything until the other side ends."""
        received = b""
        while piece := self.socket.recv(65536):
            received += piece
        return received

    def close(self) -> None:
        """Hangs up."""
        self.socket.close()


@dataclass(frozen=True)
class RawAnswer:
    """One answer, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


def answers_in(received: bytes) -> list[RawAnswer]:
    """The answers that a connection gave, interim ones included."""
    answers = []
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, f"half an answer: {head[:300]!r}"
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        code, body = int(status.split(" ")[1]), b""
        if headers.get("transfer-encoding") == "chunked":
            while True:
                size, _, received = received.partition(b"\r\n")
                length = int(size, 16)
                body, received = body + received[:length], received[length + 2 :]
                if length == 0:
                    break
        elif code >= 200:
            length = int(headers.get("content-length", len(received)))
            assert len(received) >= length, f"half a body: {received[:300]!r}"
            body, received = received[:length], received[length:]
        answers.append(RawAnswer(code, headers, body))
    return answers


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    if head.startswith(b"HTTP/1.1 1"):
        # An interim answer (RFC 9110, 15.2): the final one follows.
        return _is_whole(body)
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
        if line.startswith(b"transfer-encoding: chunked"):
            return body.endswith(b"0\r\n\r\n")
    return False


def exchange(url: str, pieces: list[bytes], hang_up: bool = False) -> bytes:
    """Sends pieces one by one; answers what comes back, unless it is to hang up at once."""
    connection = Connection(url)
    try:
        for piece in pieces:
            connection.send(piece)
        return b"" if hang_up else connection.answer()
    except (BrokenPipeError, ConnectionResetError):
        # Refused while we were still writing: what was said before is lost, the refusal is not.
        return b""
    finally:
        connection.close()
