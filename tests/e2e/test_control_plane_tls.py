"""Both ports of the control plane under TLS, with a real Envoy; and what it refuses to start with."""

import contextlib
import os
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.replica import Replica
from weir_e2e.secure import Authority
from weir_e2e.sse import post
from weir_e2e.waiting import eventually

# The cluster's first line that tells where the control plane is reached, and TLS to it.
PLAIN = "  - name: weir_control_plane\n    type: STRICT_DNS\n"
UNDER_TLS = PLAIN + """\
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: localhost
        common_tls_context:
          alpn_protocols: [h2]
          validation_context:
            trusted_ca: {{ filename: {authority} }}
            match_typed_subject_alt_names: [{{ san_type: DNS, matcher: {{ exact: localhost }} }}]
{own}"""
OWN = """\
          tls_certificates:
          - certificate_chain: {{ filename: {certificate} }}
            private_key: {{ filename: {key} }}
"""


def issued(authority: Authority, *names: str) -> tuple[str, str]:
    """Files of a certificate and its key."""
    _, certificate, _, key = authority.certificate(*names)
    return certificate, key


def peer_certificate(port: int, context: ssl.SSLContext) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            return secure.getpeercert(binary_form=True)


def test_envoy_is_configured_and_asks_over_tls_with_a_certificate_of_its_own(system, admin, world, authority, tmp_path):
    certificate, key = issued(authority, "localhost", "127.0.0.1")
    replica = Replica(
        system,
        tmp_path,
        WEIR_HTTP_TLS_CERT_FILE=certificate,
        WEIR_HTTP_TLS_KEY_FILE=key,
        WEIR_GRPC_TLS_CERT_FILE=certificate,
        WEIR_GRPC_TLS_KEY_FILE=key,
        WEIR_GRPC_TLS_CLIENT_CA_FILE=str(authority.file),
    )
    world.model("m", world.upstream("openai"))
    token = admin.create("gateways", name="under-tls")["token"]
    with replica.running():
        url = f"https://localhost:{replica.ports['http']}"
        with httpx.Client(base_url=url, verify=authority.client(), timeout=5) as http:
            eventually(lambda: is_ready(http), within_s=30, what="a control plane that is ready under TLS")
            assert http.get("/metrics").status_code == 404
        # Who speaks without TLS is not understood.
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{replica.ports['http']}/health", timeout=5)
        metrics = httpx.get(f"http://127.0.0.1:{replica.ports['metrics']}/metrics", timeout=5)
        assert "weir_connections" in metrics.text
        assert httpx.get(f"http://127.0.0.1:{replica.ports['metrics']}/health", timeout=5).status_code == 404
        # No certificate: neither a handshake of ours nor an Envoy comes through.
        with pytest.raises((ssl.SSLError, ConnectionError, httpx.HTTPError)):
            httpx.get(f"https://localhost:{replica.ports['grpc']}/", verify=authority.client(), timeout=5)
        own_certificate, own_key = issued(authority, "envoy")
        own = OWN.format(certificate=own_certificate, key=own_key)
        edits = {PLAIN: UNDER_TLS.format(authority=authority.file, own=own)}
        address = f"127.0.0.1:{replica.ports['grpc']}"
        with lone_envoy("under-tls", token, address, edits) as envoy:
            with httpx.Client(base_url=envoy.url, headers=world.http().headers, timeout=10) as http:
                eventually(lambda: post(http, "openai", "m").is_success, within_s=30, what="an answer by way of TLS")

            # A new certificate is used for the next handshake, and cuts nothing.
            before = peer_certificate(replica.ports["http"], authority.client())
            new_certificate, new_key = issued(authority, "localhost", "127.0.0.1")
            os.replace(new_key, key)
            os.replace(new_certificate, certificate)
            eventually(
                lambda: peer_certificate(replica.ports["http"], authority.client()) != before,
                within_s=20,
                what="the new certificate",
            )
            # One that is none leaves the last in use.
            Path(certificate).write_text("no certificate")
            eventually(lambda: "cannot be read anew" in replica.log.read_text(), within_s=20, what="a word about it")
            assert peer_certificate(replica.ports["http"], authority.client())
            assert envoy.admin.get("/ready").status_code == 200


def is_ready(http: httpx.Client) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return http.get("/ready").is_success
    return False


def test_what_cannot_work_is_refused_at_the_start(system, authority, tmp_path):
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("<html>")
    other = tmp_path / "other.wasm"
    other.write_bytes(b"\0asm\1\0\0\0")
    certificate, key = issued(authority, "localhost")
    _, other_key = issued(authority, "localhost")
    for number, (wrong, expect) in enumerate(
        [
            ({"WEIR_MODULE_FILE": str(nonsense)}, "is not Weir's wasm module"),
            ({"WEIR_MODULE_FILE": str(other)}, "is not Weir's wasm module"),
            ({"WEIR_MODULE_FILE": str(tmp_path / "nowhere")}, "cannot be read"),
            ({"WEIR_HTTP_TLS_CERT_FILE": certificate}, "--http-tls-key-file"),
            ({"WEIR_HTTP_TLS_CERT_FILE": certificate, "WEIR_HTTP_TLS_KEY_FILE": other_key}, "of no use together"),
            ({"WEIR_GRPC_TLS_CERT_FILE": str(nonsense), "WEIR_GRPC_TLS_KEY_FILE": key}, "no certificate in it"),
            ({"WEIR_MASTER_KEY_FILE": str(nonsense)}, "line 1 must be 32 bytes"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        said = Replica(system, folder, **wrong).refused()
        assert expect in said, said
        assert "panicked" not in said, said
