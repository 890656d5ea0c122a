"""Providers as they are on the internet: under TLS, most with HTTP/2."""

import contextlib
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import psutil
import trustme

from .provider import FakeProvider
from .system import weir_dev


class Authority:
    """A certificate authority of the tests' own, and the folder with what it made."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="weir-e2e-tls-", dir="/tmp")
        self.folder = Path(self._folder.name)
        # Envoy may run as somebody else.
        self.folder.chmod(0o755)
        self._authority = trustme.CA()
        self.file = self.folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def client(self) -> ssl.SSLContext:
        """For a client that trusts this authority alone."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

    def server(self, *names: str) -> ssl.SSLContext:
        """For a server with a certificate with these names or addresses."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(*names).configure_cert(context)
        return context

    def certificate(self, *names: str) -> list[str]:
        """Options of the demo provider for a certificate with these names or addresses."""
        issued = self._authority.issue_cert(*names)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        certificate, key = folder / "certificate.pem", folder / "private.key"
        for place, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(certificate, append=place > 0)
        issued.private_key_pem.write_to_path(key)
        return ["--certificate", os.fspath(certificate), "--private-key", os.fspath(key)]

    def close(self) -> None:
        """Removes the folder."""
        self._folder.cleanup()


class SecureProvider:
    """The demo provider under TLS, as `https://{host}`, which may be a name that its certificate does not have."""

    def __init__(self, authority: Authority, *options: str, names: tuple[str, ...] = ("localhost", "127.0.0.1")):
        self.authority = authority
        command = [*weir_dev(), "provider", "--port", "0", *authority.certificate(*names), *options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if ":" not in said:
            raise RuntimeError(f"the provider ended with {self.process.wait(10)}")
        self.port = said.rsplit(":", 1)[1].strip()

    def as_host(self, host: str) -> FakeProvider:
        """Asked and told what to do under this name."""
        return FakeProvider(f"https://{host}:{self.port}", self.authority.client())

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stops it in its tracks, until `resume` or the end."""
        psutil.Process(self.process.pid).suspend()
        try:
            yield
        finally:
            self.resume()

    def resume(self) -> None:
        """Lets it go on."""
        psutil.Process(self.process.pid).resume()

    def __enter__(self) -> "SecureProvider":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
