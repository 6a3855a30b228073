"""What is wrong with the files of a TLS listener, in words; what is right, as a context."""

from __future__ import annotations

import io
import os
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from proxy.config.errors import ConfigError
from proxy.config.loader import loads
from proxy.config.schema import ListenTls
from proxy.observe.log import Log
from proxy.process.certificates import Certificates
from proxy.process.listener_tls import CertificateError, server_context


@pytest.fixture(scope="module")
def authority():
    """An authority."""
    return trustme.CA()


@pytest.fixture
def leaf(authority):
    """A certificate with its key."""
    return authority.issue_cert("localhost")


@pytest.fixture
def files(tmp_path, leaf, authority):
    """Its files, by their keys in the configuration."""
    paths = {key: tmp_path / f"{key}.pem" for key in ("cert", "key", "client_ca")}
    paths["cert"].write_bytes(leaf.cert_chain_pems[0].bytes())
    paths["key"].write_bytes(leaf.private_key_pem.bytes())
    paths["client_ca"].write_bytes(authority.cert_pem.bytes())
    return paths


def settings(files):
    """Return the settings of a listener."""
    return ListenTls.model_construct(
        **{key: files.get(key) for key in ("cert", "key", "client_ca")}
    )


def test_a_context_is_strict(files):
    """TLS 1.2 or later, nothing but forward secret ciphers, nothing compressed or renegotiated."""
    context = server_context(settings(files))
    old = {each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"}

    assert ssl.TLSVersion.TLSv1_2 == context.minimum_version
    assert old
    assert all(name.startswith("ECDHE-") for name in old)
    assert not [name for name in old if not name.endswith(("GCM-SHA256", "GCM-SHA384", "1305"))]
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert ssl.CERT_OPTIONAL == context.verify_mode
    assert context.keylog_filename is None


def test_without_client_ca_none_is_asked_for(files):
    """And the system's authorities are not trusted with clients."""
    del files["client_ca"]
    context = server_context(settings(files))

    assert ssl.CERT_NONE == context.verify_mode
    assert [] == context.get_ca_certs()


def test_keys_are_not_written_where_the_environment_says(files, tmp_path, monkeypatch):
    """SSLKEYLOGFILE is for clients that are examined."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))

    assert server_context(settings(files)).keylog_filename is None


def test_the_key_may_stand_with_the_certificate(files, leaf):
    """In one file."""
    files["cert"].write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    del files["key"]

    assert 1 == server_context(settings(files)).cert_store_stats()["x509"]


def encrypted(leaf):
    """Return its key with a passphrase."""
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"CANARY"),
    )


BROKEN = {
    "no certificate": ("cert", lambda _: b"nothing", "cert", "holds no certificate in PEM"),
    "half a certificate": (
        "cert",
        lambda leaf: leaf.cert_chain_pems[0].bytes()[:200],
        "cert",
        "no usable pair",
    ),
    "no key": ("key", lambda _: b"nothing", "key", "holds no private key in PEM"),
    "another's key": (
        "key",
        lambda _: trustme.CA().issue_cert("localhost").private_key_pem.bytes(),
        "key",
        "does not belong to the certificate in",
    ),
    "an encrypted key": ("key", encrypted, "key", "is encrypted; store it without a passphrase"),
    "no authority": ("client_ca", lambda _: b"", "client_ca", "holds no certificate in PEM"),
    "a broken authority": (
        "client_ca",
        lambda leaf: leaf.cert_chain_pems[0].bytes()[:200],
        "client_ca",
        "holds a certificate that is broken",
    ),
}


@pytest.mark.parametrize(("file", "data", "key", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said(files, leaf, file, data, key, words):
    """With the file, the key of the configuration, and never what is in it."""
    files[file].write_bytes(data(leaf))
    with pytest.raises(CertificateError, match=words) as caught:
        server_context(settings(files))

    assert key == caught.value.key
    assert str(files[file]) in str(caught.value)
    assert "BEGIN" not in str(caught.value)


@pytest.mark.parametrize("key", ["cert", "key", "client_ca"])
def test_a_file_that_is_not_there(files, key):
    """Is named."""
    files[key].unlink()
    with pytest.raises(CertificateError) as caught:
        server_context(settings(files))

    assert (key, f"cannot read {files[key]}: No such file or directory") == (
        caught.value.key,
        str(caught.value),
    )


@pytest.mark.parametrize("key", ["cert", "key", "client_ca"])
def test_a_pipe_is_not_waited_for(files, key):
    """Neither at the start, nor where it takes the place of a file: the end would wait as well."""
    files[key].unlink()
    os.mkfifo(files[key])
    with pytest.raises(CertificateError) as caught:
        server_context(settings(files))

    assert f"cannot read {files[key]}: no regular file" == str(caught.value)


def test_a_key_that_is_missing_from_the_certificate(files):
    """Says what to write."""
    del files["key"]
    with pytest.raises(CertificateError, match="name its file in `key`"):
        server_context(settings(files))


def configured(files, listen="[LISTEN]"):
    """Return a configuration with a shared and an own listener."""
    tls = ", ".join(f"{key}: {path}" for key, path in files.items())
    text = f"""
listen: {{address: "127.0.0.1:0", tls: {{{tls}}}}}
routes:
  api:
    upstream: http://127.0.0.1:9
    credential: none
    listen: {{address: "127.0.0.1:0", tls: {{{tls}}}}}
"""
    return loads(text, name="test.yaml", base=files["cert"].parent, environ={})


def test_every_problem_is_told_with_its_place(files):
    """All at once."""
    files["key"].write_bytes(b"nothing")
    with pytest.raises(ConfigError) as caught:
        Certificates(configured(files), Log(stream=io.BytesIO()))
    lines = str(caught.value).splitlines()

    assert 2 == len(lines)
    assert lines[0].startswith("test.yaml:2:")
    assert "listen.tls.key: " in lines[0]
    assert "routes.api.listen.tls.key: " in lines[1]


def test_listeners_with_the_same_files_share_a_gate(files):
    """They change together."""
    config = configured(files)
    certificates = Certificates(config, Log(stream=io.BytesIO()))
    gate = certificates.gate(config.listen[0].tls)

    assert gate is certificates.gate(config.routes["api"].listen[0].tls)
    assert certificates.gate(None) is None
