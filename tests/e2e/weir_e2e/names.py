"""A name server of a test's own."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

ADDRESS_V4 = 1
NO_SUCH_NAME = 3


@contextlib.contextmanager
def name_server(addresses: dict[str, str]) -> Iterator[int]:
    """Answers for these names, for a second each, and gives its port on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.2)
        done = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, addresses, done))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


def resolved_by(port: int) -> dict[str, str]:
    """The edit of a bootstrap that has an Envoy ask this name server, and no other."""
    resolver = (
        "typed_dns_resolver_config: { name: envoy.network.dns_resolver.cares, typed_config: { "
        '"@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig, '
        f"resolvers: [ {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} ] }} }}"
    )
    return {"\ndynamic_resources:": f"\n{resolver}\ndynamic_resources:"}


def _serve(server: socket.socket, addresses: dict[str, str], done: threading.Event) -> None:
    while not done.is_set():
        try:
            query, asker = server.recvfrom(4096)
        except TimeoutError:
            continue
        server.sendto(_answer(query, addresses), asker)


def _answer(query: bytes, addresses: dict[str, str]) -> bytes:
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    question = query[12 : at + 5]
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    address = addresses.get(".".join(labels).lower())
    records = b""
    if address and kind == ADDRESS_V4:
        # The name of the question, class IN, a second to live.
        records = struct.pack("!HHHIH", 0xC00C, ADDRESS_V4, 1, 1, 4) + socket.inet_aton(address)
    flags = 0x8580 | (0 if address else NO_SUCH_NAME)
    return query[:2] + struct.pack("!HHHHH", flags, 1, 1 if records else 0, 0, 0) + question + records
