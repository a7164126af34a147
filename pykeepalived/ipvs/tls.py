"""TLS for SSL_GET: a client over memory buffers, without any verification. Moves bytes, opens nothing.

The ssl module is imported with the first SSL_GET only.
"""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.ipvs import SslContext
from pykeepalived.ipvs.checks.attempt import Tls


class TlsError(Exception):
    """The handshake or a record failed; the text is the TLS library's."""


class TlsFactory:
    """Makes clients with the certificate, key and CA of the SSL block.

    There is a context for each application protocol, made when it is first needed.
    """

    def __init__(self, settings: SslContext | None) -> None:
        self._settings = settings
        self._contexts: dict[str, Any] = {}

    def configure(self, settings: SslContext | None) -> None:
        """Take over a new SSL block."""
        self._settings = settings
        self._contexts.clear()

    def prepare(self, alpn: str = "") -> None:
        """Make the context now; raises TlsError with keepalived's line when a file cannot be used."""
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        settings = self._settings
        if settings is not None:
            self._load(context, settings)
        if alpn:
            context.set_alpn_protocols([alpn])
        self._contexts[alpn] = context

    def _load(self, context: Any, settings: SslContext) -> None:
        if settings.certificate or settings.key:
            try:
                password = settings.password or ""
                context.load_cert_chain(settings.certificate or settings.key, settings.key or None, lambda: password)
            except OSError as error:
                what = "key" if settings.key and not settings.certificate else "certificate"
                raise TlsError(f"SSL error : Cant load {what} file...") from error
        if settings.ca:
            try:
                context.load_verify_locations(settings.ca)
            except OSError as error:
                raise TlsError("SSL error : Cant load CA file...") from error

    def client(self, wish: Tls) -> TlsClient:
        """A client for one connection; raises TlsError when the context cannot be made."""
        if wish.alpn not in self._contexts:
            self.prepare(wish.alpn)
        return TlsClient(self._contexts[wish.alpn], wish.name)


class TlsClient:
    """One connection: encrypted bytes go in with `feed` and out with `outgoing`."""

    def __init__(self, context: Any, name: str) -> None:
        import ssl

        self._ssl = ssl
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name or None)
        except (ValueError, OSError) as error:
            raise TlsError(str(error)) from error

    def shake(self) -> bool:
        """Go on with the handshake; True when it is done. What is to be sent is in `outgoing`."""
        try:
            self._object.do_handshake()
        except self._ssl.SSLWantReadError:
            return False
        except OSError as error:
            raise TlsError(str(error)) from error
        return True

    def certificate(self) -> bytes:
        """The certificate of the server in DER, b"" without one; known after the handshake."""
        found: bytes | None = self._object.getpeercert(binary_form=True)
        return found or b""

    def feed(self, data: bytes) -> None:
        self._incoming.write(data)

    def outgoing(self) -> bytes:
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        try:
            self._object.write(data)
        except OSError as error:
            raise TlsError(str(error)) from error
        return self._outgoing.read()

    def decrypt(self) -> tuple[bytes, bool]:
        """What has arrived in whole records, and whether the peer has closed the TLS session behind it."""
        data = b""
        while True:
            try:
                part = self._object.read(65536)
            except self._ssl.SSLWantReadError:
                return data, False
            except self._ssl.SSLZeroReturnError:
                return data, True
            except OSError as error:
                raise TlsError(str(error)) from error
            if not part:
                return data, True
            data += part

    def goodbye(self) -> bytes:
        """close_notify."""
        try:
            self._object.unwrap()
        except OSError:
            pass
        return self._outgoing.read()
