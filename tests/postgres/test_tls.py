"""TLS to a server whose certificate is of a CA that the tests make: what is let in, what not."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

import arrowetl as ae
from tests.postgres_server import PASSWORD, installed, owned, start

CA = ("req", "-x509", "-nodes", "-days", "2", "-newkey", "rsa:2048")
ACCESS = "hostssl all all 127.0.0.1/32 scram-sha-256\n"


def openssl(folder, *words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)


def certificates(folder):
    """Make a CA, another one, and a key with a certificate of the first for `localhost`."""
    for each in ("ca", "other"):
        subject = ("-subj", f"/CN=arrowetl {each}")
        openssl(folder, *CA, "-keyout", f"{each}.key", "-out", f"{each}.crt", *subject)
    openssl(
        folder,
        *("req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=localhost"),
        *("-keyout", "server.key", "-out", "server.csr"),
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    openssl(
        folder, "x509", "-req", "-in", "server.csr", "-days", "2", "-out", "server.crt", *signer
    )
    (folder / "server.key").chmod(0o600)
    owned(folder / "server.key")


@pytest.fixture(scope="module")
def safe():
    """Give a server that lets nobody in without TLS, and the folder of the certificates."""
    binaries = installed()
    if binaries is None:
        pytest.skip("no PostgreSQL with TLS: the wheel's has none; install your system's")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = Path(tempfile.mkdtemp(prefix="arrowetl-tls-"))
    folder.chmod(0o755)
    try:
        certificates(folder)
        files = [f"ssl_cert_file={folder}/server.crt", f"ssl_key_file={folder}/server.key"]
        server = start(settings=["ssl=on", *files], access=ACCESS, binaries=binaries)
        try:
            yield server, folder
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def place(safe, *, host="localhost", ca="ca", mode="verify-full"):
    server, folder = safe
    libpq = {"sslmode": mode} | ({"sslrootcert": str(folder / f"{ca}.crt")} if ca else {})
    parts = {"host": host, "port": server.port, "database": "postgres", "libpq": libpq}
    return parts | {"user": "postgres", "password": PASSWORD}


def test_rows_go_both_ways_by_a_name_that_the_ca_vouches_for(safe):
    rows = pa.table({"id": [1, 2]})
    loader = ae.PostgreSQLLoader(**place(safe), table="tls", mode="replace")
    ae.Pipeline(progress=False).extract(ae.ArrowSource(rows)).load(loader).run()
    source = ae.PostgreSQLSource(**place(safe), table="tls")
    assert source.reader().read_all() == rows
    asked = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    found = ae.PostgreSQLSource(**place(safe), query=asked).reader().read_all().to_pylist()
    assert found == [{"ssl": True, "version": "TLSv1.3"}]
    assert [each.works for each in source.diagnose()] == [True] * 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ca": "other"}, "is it the CA's that signed the server's? sslrootcert, in libpq="),
        ({"host": "127.0.0.1"}, "connect by the name that is in the server's certificate"),
        ({"ca": "none"}, "give the CA's certificate: sslrootcert, in libpq="),
        ({"ca": None, "mode": "disable"}, "'no encryption' asks for TLS"),
    ],
    ids=str,
)
def test_what_is_not_safe_is_refused_and_says_what_to_do(safe, change, said):
    where = place(safe, **change)
    with pytest.raises(ae.ReadError) as raised:
        ae.PostgreSQLSource(**where, table="tls").schema()
    assert said in str(raised.value)
    assert not isinstance(raised.value, ae.Transient)
    with pytest.raises(ae.WriteError) as raised:
        ae.PostgreSQLLoader(**where, table="tls").check(pa.schema({"id": pa.int64()}))
    assert said in str(raised.value)
