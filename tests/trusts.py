"""TLS between tests and their upstreams."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass
class Trust:
    """A certificate authority, a server's context, and the file that names the authority."""

    file: str
    server: ssl.SSLContext

    @classmethod
    def made(cls, folder: Path) -> Trust:
        authority = trustme.CA()
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(server)
        authority.cert_pem.write_to_path(folder / "ca.pem")
        return cls(str(folder / "ca.pem"), server)
