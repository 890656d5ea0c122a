"""A trust domain: certificates with SPIFFE ids, and an Envoy that asks for them."""

import datetime
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class TrustDomain:
    """Issues certificates, into a folder of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="weir-e2e-spiffe-", dir="/tmp")
        self.folder = Path(self._folder.name)
        # Envoy may run as somebody else.
        self.folder.chmod(0o755)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trust domain")])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._builder(self._name, self._key.public_key()).add_extension(constraints, critical=True)
        self.file = self.folder / "trust-domain.pem"
        self.file.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def __enter__(self) -> "TrustDomain":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def _builder(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )

    def issue(self, *names: x509.GeneralName) -> tuple[Path, Path]:
        """A certificate with these names and its key, in files."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._builder(x509.Name([]), key.public_key()).add_extension(
            x509.SubjectAlternativeName(names), critical=True
        )
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        folder.chmod(0o755)
        chain, private = folder / "certificate.pem", folder / "private.key"
        chain.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return chain, private

    def client(self, spiffe_id: str | None) -> ssl.SSLContext:
        """For a client with this identity, or without a certificate."""
        context = ssl.create_default_context(cafile=str(self.file))
        context.check_hostname = False
        if spiffe_id:
            chain, private = self.issue(x509.UniformResourceIdentifier(spiffe_id))
            context.load_cert_chain(chain, private)
        return context

    def listener(self) -> dict[str, str]:
        """What to change in the bootstrap so that its listener takes TLS, and verifies the certificate of who shows one."""
        chain, private = self.issue(x509.DNSName("localhost"))
        words = "    filter_chains:\n    - filters:\n"
        tls = f"""    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates: [{{ certificate_chain: {{ filename: {chain} }}, private_key: {{ filename: {private} }} }}]
            validation_context: {{ trusted_ca: {{ filename: {self.file} }} }}
      filters:
"""
        return {words: tls}
