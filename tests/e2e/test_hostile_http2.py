"""Answers that a provider over HTTP/2 gives in ways that the protocol allows, or forbids, and few servers do."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived
from hyperframe.frame import RstStreamFrame

from weir_e2e.raw_http2 import DOCUMENT, EVENTS, JSON_200, SAID, STREAM_200, Http2Server, Script, whole
from weir_e2e.sse import ask, check_error, events, is_last, path_of, post, said, said_in_stream
from weir_e2e.waiting import eventually


def answered(*, before: Script | None = None, after: Script | None = None, more: list[tuple[str, str]] | None = None):
    """Both ways to answer well, with something before or behind it, or more headers."""

    def script(http2: H2Connection, stream: int, streamed: bool) -> bytes | None:
        if before:
            before(http2, stream)
        http2.send_headers(stream, (STREAM_200 if streamed else JSON_200) + (more or []))
        for piece in EVENTS if streamed else [DOCUMENT]:
            http2.send_data(stream, piece, end_stream=after is None and piece in (EVENTS[-1], DOCUMENT))
        return after(http2, stream) if after else None

    return script


def early_hints(http2: H2Connection, stream: int) -> None:
    http2.send_headers(stream, [(":status", "103"), ("link", "</style.css>; rel=preload")])


def trailers(http2: H2Connection, stream: int) -> None:
    http2.send_headers(stream, [("server-timing", "total;dur=1")], end_stream=True)


def end_then_reset(http2: H2Connection, stream: int) -> bytes:
    http2.end_stream(stream)
    return RstStreamFrame(stream, error_code=ErrorCodes.NO_ERROR).serialize()


def single_bytes(http2: H2Connection, stream: int, streamed: bool) -> None:
    http2.send_headers(stream, STREAM_200 if streamed else JSON_200)
    for byte in b"".join(EVENTS) if streamed else DOCUMENT:
        http2.send_data(stream, bytes([byte]))
    http2.end_stream(stream)


def padded(http2: H2Connection, stream: int, streamed: bool) -> None:
    http2.send_headers(stream, STREAM_200 if streamed else JSON_200)
    for piece in EVENTS if streamed else [DOCUMENT]:
        http2.send_data(stream, b"", pad_length=255)
        http2.send_data(stream, piece, pad_length=100)
    http2.end_stream(stream)


# Unusual, but answers.
GOOD = {
    "as usual": answered(),
    "early hints before it": answered(before=early_hints),
    "headers of the gateway's own": answered(more=[("x-weir-request-id", "forged"), ("x-weir-provider", "forged")]),
    "trailers behind it": answered(after=trailers),
    "reset once it has ended": answered(after=end_then_reset),
    "an empty frame as its end": answered(after=lambda http2, stream: http2.end_stream(stream)),
    "single bytes": single_bytes,
    "padding": padded,
}


def only(*headers: tuple[str, str]):
    """Headers, and nothing behind them."""
    return lambda http2, stream, streamed: http2.send_headers(stream, list(headers), end_stream=True)


def reset(code: ErrorCodes, begun: bool = False):
    """A reset, before the headers or after them and the beginning of an answer."""

    def script(http2: H2Connection, stream: int, streamed: bool) -> None:
        if begun:
            http2.send_headers(stream, STREAM_200 if streamed else JSON_200)
            http2.send_data(stream, b": not yet\n\n" if streamed else DOCUMENT[:50])
        http2.reset_stream(stream, code)

    return script


def calm(http2: H2Connection, stream: int, streamed: bool) -> None:
    http2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, last_stream_id=stream)


def pushed(http2: H2Connection, stream: int, streamed: bool) -> None:
    http2.remote_settings.enable_push = 1
    http2.remote_settings.acknowledge()
    request = [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "localhost")]
    http2.push_stream(stream, 2, request)


def too_large_a_frame(http2: H2Connection, stream: int, streamed: bool) -> None:
    http2.send_headers(stream, STREAM_200 if streamed else JSON_200)
    http2.max_outbound_frame_size = 1 << 20
    answer = b": a comment\n\n" * 5000 + b"".join(EVENTS) if streamed else DOCUMENT + b" " * 60_000
    http2.send_data(stream, answer, end_stream=True)


# No answers. What the client is told must say so; which error of the gateway's own it is depends on who noticed.
BAD = {
    "no status": only(("content-type", "application/json")),
    "a status that is no number": only((":status", "okay"), ("content-type", "application/json")),
    "nothing behind its headers": only(*JSON_200),
    "a name in capitals": answered(more=[("X-Capital", "1")]),
    "a header of HTTP/1.1": answered(more=[("connection", "close")]),
    "a pseudo-header that is none": answered(more=[(":path", "/")]),
    "a line break in a value": answered(more=[("x-odd", "a\r\nx-weir-request-id: forged")]),
    "less than it announced": answered(more=[("content-length", "100000")]),
    "more than it announced": answered(more=[("content-length", "10")]),
    "two lengths": answered(more=[("content-length", "10"), ("content-length", "11")]),
    "200 KB of headers": answered(more=[(f"x-{number}", "x" * 1000) for number in range(200)]),
    "reset before its headers": reset(ErrorCodes.INTERNAL_ERROR),
    "cancelled before its headers": reset(ErrorCodes.CANCEL),
    "asked for HTTP/1.1": reset(ErrorCodes.HTTP_1_1_REQUIRED),
    "refused again and again": reset(ErrorCodes.REFUSED_STREAM),
    "reset before its first content": reset(ErrorCodes.INTERNAL_ERROR, begun=True),
    "ended without an error before its first content": reset(ErrorCodes.NO_ERROR, begun=True),
    "told to be calm": calm,
    "something pushed": pushed,
    "a frame that is too large": too_large_a_frame,
}
# Of these a stream's first content is good; it is broken off.
BEGUN = ["less than it announced"]


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def asking(request, authority, world) -> Callable:
    """Asks a provider that answers by a script."""

    def ask_of(script, name: str) -> httpx.Response:
        model = name.replace(" ", "-").replace("'", "")
        with Http2Server(authority, lambda http2, stream: script(http2, stream, request.param)) as server:
            world.model(model, world.at(server.base_url), first_byte_timeout_ms=5000, request_timeout_ms=10_000)
            return post(world.http(), "openai", model, stream=request.param)

    ask_of.streamed = request.param
    return ask_of


def test_what_is_unusual_but_an_answer_is_passed_on(asking, cases):
    for name, script in GOOD.items():
        with cases.case(name, asking.streamed):
            response = asking(script, name)
            assert response.status_code == 200, response.text
            if asking.streamed:
                assert said_in_stream("openai", events(response.text.splitlines())) == SAID
            else:
                assert said("openai", response.json()) == SAID
            assert "forged" not in str(response.headers)


def test_what_is_no_answer_is_told_to_be_none(asking, cases):
    for name, script in BAD.items():
        with cases.case(name, asking.streamed):
            if asking.streamed and name in BEGUN:
                with pytest.raises(httpx.RemoteProtocolError):
                    asking(script, name)
                continue
            response = asking(script, name)
            assert response.status_code in (502, 503, 504), (response.status_code, response.text)
            check_error("openai", response, response.status_code, None)
            assert response.json()["error"]["code"] in ("upstream_unavailable", "upstream_invalid_response"), response.text
            assert "forged" not in str(response.headers)


@pytest.mark.parametrize("code", [ErrorCodes.INTERNAL_ERROR, ErrorCodes.CANCEL, ErrorCodes.NO_ERROR])
def test_a_stream_that_is_reset_after_its_first_content_is_broken_off(authority, world, code):
    def script(http2: H2Connection, stream: int) -> None:
        http2.send_headers(stream, STREAM_200)
        http2.send_data(stream, EVENTS[0])
        http2.reset_stream(stream, code)

    with Http2Server(authority, script) as server:
        world.model("m", world.at(server.base_url))
        body = ask("openai", "m", stream=True)
        heard = []
        with (
            world.http().stream("POST", path_of("openai"), json=body) as response,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            assert response.status_code == 200
            heard.extend(events(response.iter_lines()))
        assert not any(is_last("openai", event) for event in heard)


@pytest.mark.parametrize("ended", [ErrorCodes.NO_ERROR, ErrorCodes.STREAM_CLOSED])
def test_a_provider_that_refuses_before_it_has_read_is_listened_to(authority, world, ended):
    """It says no to a long prompt at its beginning, and wants no more of it (RFC 9113, 8.1)."""

    def script(http2: H2Connection, stream: int) -> None:
        body = b'{"error": {"message": "Too long for me.", "type": "invalid_request_error", "code": "too_long"}}'
        http2.send_headers(stream, [(":status", "413"), ("content-type", "application/json")])
        http2.send_data(stream, body, end_stream=True)
        http2.reset_stream(stream, ended)

    with Http2Server(authority, script, when=RequestReceived) as server:
        world.model("m", world.at(server.base_url))
        prompt = [{"role": "user", "content": "a long prompt " * 400_000}]
        response = post(world.http(), "openai", "m", messages=prompt)
        assert "Too long for me." in check_error("openai", response, 413, "too_long")


@pytest.mark.parametrize(("refusals", "code", "asked"), [(3, 200, 4), (1000, 503, 4)], ids=["three times", "always"])
def test_a_refused_stream_is_asked_for_three_times_more(authority, world, refusals, code, asked):
    streams = []

    def script(http2: H2Connection, stream: int) -> None:
        streams.append(stream)
        if len(streams) <= refusals:
            http2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
        else:
            whole(http2, stream)

    with Http2Server(authority, script) as server:
        world.model("m", world.at(server.base_url))
        response = post(world.http(), "openai", "m")
        assert (response.status_code, len(streams)) == (code, asked), response.text
        assert world.record(response.headers["x-weir-request-id"])["attempts"] == asked


def test_a_connection_that_breaks_ends_what_was_on_it_and_nothing_else(authority, world):
    """Without a word of how far the server had read: what had not begun is refused, what had begun is broken off."""
    asked, begun = [], threading.Barrier(5)

    def script(http2: H2Connection, stream: int) -> None:
        asked.append(stream)
        if len(asked) > 8:
            whole(http2, stream)
        elif len(asked) % 2:
            http2.send_headers(stream, STREAM_200)
            http2.send_data(stream, EVENTS[0])

    with Http2Server(authority, script) as server:
        world.model("m", world.at(server.base_url))
        http = world.http()

        def ending(_: int) -> str:
            body = ask("openai", "m", stream=True)
            with http.stream("POST", path_of("openai"), json=body) as response:
                if response.status_code != 200:
                    response.read()
                    check_error("openai", response, 503, "upstream_unavailable")
                    return "refused"
                heard = events(response.iter_lines())
                next(heard)
                begun.wait(20)
                with pytest.raises(httpx.RemoteProtocolError):
                    list(heard)
                return "broken off"

        with ThreadPoolExecutor(8) as pool:
            endings = [pool.submit(ending, number) for number in range(8)]
            eventually(lambda: len(asked) == 8, what="eight requests at the provider")
            begun.wait(20)
            server.vanish()
            assert sorted(one.result(20) for one in endings) == ["broken off"] * 4 + ["refused"] * 4
        assert post(http, "openai", "m").status_code == 200
