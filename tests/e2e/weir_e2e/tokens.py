"""An issuer of tokens (JWT), with keys that it serves."""

import base64
import http.server
import json
import threading
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "weir"


class Issuer:
    """Signs tokens, and serves the public keys of those of its keys that it has not withdrawn, on a port of its own."""

    def __init__(self) -> None:
        # Envoy tells issuers apart by their name alone.
        self.name = f"https://{uuid.uuid4().hex}.example"
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._served: list[str] = []
        self.fetched = 0
        self.add_key("first")
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetched += 1
                body = json.dumps(issuer.key_set()).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Issuer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        """Where its keys are."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/keys"

    def add_key(self, name: str) -> None:
        """Makes a key and serves it."""
        self._keys[name] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._served.append(name)

    def withdraw_key(self, name: str) -> None:
        """Serves it no longer; it can still sign."""
        self._served.remove(name)

    def key_set(self) -> dict[str, Any]:
        """The keys that are served now (JWKS)."""
        algorithm = jwt.algorithms.RSAAlgorithm
        keys = [algorithm.to_jwk(self._keys[name].public_key(), as_dict=True) for name in self._served]
        return {"keys": [key | {"kid": name, "alg": "RS256"} for key, name in zip(keys, self._served, strict=True)]}

    def token(self, subject: str = "app", key: str = "first", lasts_s: int = 600, **claims: Any) -> str:
        """A token, signed."""
        return jwt.encode(self.claims(subject, lasts_s, **claims), self._keys[key], "RS256", {"kid": key})

    def claims(self, subject: str = "app", lasts_s: int = 600, **claims: Any) -> dict[str, Any]:
        """What a token says; `None` leaves a claim out."""
        now = int(time.time())
        said = {"iss": self.name, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + lasts_s} | claims
        return {name: value for name, value in said.items() if value is not None}

    def forged(self, how: str) -> str:
        """A token that nobody may take for good."""
        if how == "unsigned":
            return jwt.encode(self.claims(), None, "none")
        public = self._keys["first"].public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        header, content = ({"alg": "HS256", "typ": "JWT", "kid": "first"}, self.claims())
        if how == "signed by the public key":
            signed = ".".join(_part(json.dumps(part).encode()) for part in (header, content))
            import hashlib
            import hmac

            return f"{signed}.{_part(hmac.digest(pem, signed.encode(), hashlib.sha256))}"
        raise ValueError(how)

    def with_content(self, content: str) -> str:
        """A token of this content, byte for byte, and signed."""
        return jwt.api_jws.encode(content.encode(), self._keys["first"], "RS256", {"kid": "first"})


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
