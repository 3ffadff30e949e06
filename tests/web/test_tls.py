"""Certificates that are served: changed without a restart, and half a change leaves the one in use."""

import ssl
from pathlib import Path

import pytest
import trustme

from bridge.errors import ConfigurationError
from bridge.web.tls import Certificates


def write(place: Path, name: str) -> tuple[Path, Path]:
    made = trustme.CA().issue_cert(name)
    cert, key = place / "cert.pem", place / "key.pem"
    cert.write_bytes(made.cert_chain_pems[0].bytes())
    key.write_bytes(made.private_key_pem.bytes())
    return cert, key


def served(certificates: Certificates) -> bytes:
    """The certificate that a client is shown in a handshake, in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    client = asking.wrap_bio(to_client, to_server)
    server = certificates.context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def test_a_new_certificate_is_served_by_the_same_context(tmp_path: Path) -> None:
    certificates = Certificates(*write(tmp_path, "one.example"))
    before = served(certificates)
    write(tmp_path, "two.example")
    assert certificates.reload()
    assert served(certificates) != before


def test_a_certificate_without_its_key_leaves_the_one_in_use(tmp_path: Path) -> None:
    cert, key = write(tmp_path, "one.example")
    certificates = Certificates(cert, key)
    before, old_key = served(certificates), key.read_bytes()
    write(tmp_path, "two.example")
    key.write_bytes(old_key)
    assert not certificates.reload()
    assert served(certificates) == before
    cert.unlink()
    assert not certificates.reload()
    assert served(certificates) == before


def test_files_that_cannot_be_used_are_named_by_their_key(tmp_path: Path) -> None:
    cert, key = write(tmp_path, "one.example")
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"http\.tls_client_ca_file"):
        Certificates(cert, key, broken)
    with pytest.raises(ConfigurationError, match=r"http\.tls_cert_file"):
        Certificates(broken)


def test_client_certificates_are_asked_for_where_their_authority_is_set(tmp_path: Path) -> None:
    cert, key = write(tmp_path, "one.example")
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    assert Certificates(cert, key, authority).context.verify_mode is ssl.CERT_OPTIONAL
    assert Certificates(cert, key).context.verify_mode is ssl.CERT_NONE
