"""Who gets into a registry: nobody without a password or a token, nobody writes where it is read-only, TLS is TLS?"""

import base64
import datetime
import ipaddress
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_server import RegistryServer

bcrypt: Any = pytest.importorskip("bcrypt")
jwt: Any = pytest.importorskip("jwt")
x509: Any = pytest.importorskip("cryptography.x509")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402  # behind the check that it is there
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

REALM = "https://auth.example/token"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(scope="module")
def passwords(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    file = tmp_path_factory.mktemp("auth") / "htpasswd"
    hashed = bcrypt.hashpw("pässword".encode(), bcrypt.gensalt(5)).decode()
    file.write_text(f"# users\n\nme:{hashed}\n")
    server = RegistryServer("--htpasswd", str(file), "--anonymous-pull", "--realm", 'the "realm"')
    yield server
    server.close()


def test_passwords(passwords: RegistryServer) -> None:
    for headers in ({}, basic("me", "wrong"), basic("you", "pässword"), basic("", ""), {"Authorization": "Basic !"}):
        answer = passwords.ask("GET", "/v2/", headers=headers)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="the realm"'
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert passwords.ask("POST", "/v2/a/blobs/uploads/").status == 401
    assert passwords.ask("GET", "/v2/_catalog").status == 401
    assert passwords.ask("GET", "/v2/a/tags/list").code == "NAME_UNKNOWN", "everybody may pull"
    assert passwords.ask("GET", "/v2/", headers=basic("me", "x" * 100)).status == 401
    passwords.authorization = basic("me", "pässword")["Authorization"]
    passwords.push_image("a", "1")
    passwords.authorization = ""
    assert passwords.ask("GET", "/v2/a/manifests/1").status == 200
    assert passwords.ask("DELETE", "/v2/a/manifests/1").status == 401


def test_skopeo_logs_in(passwords: RegistryServer, image_tar: Path, tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("needs skopeo (Debian: skopeo)")
    archive = f"tarball:{image_tar}"
    target = f"docker://{passwords.address}/skopeo/bb:1"
    command = ["skopeo", "--tmpdir", str(tmp_path), "copy", "--dest-tls-verify=false"]
    refused = subprocess.run([*command, archive, target], capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode != 0 and "authentication required" in refused.stderr + refused.stdout
    subprocess.run([*command, "--dest-creds", "me:pässword", archive, target], check=True, timeout=60)


@pytest.fixture(scope="module")
def key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory, key: Any) -> Iterator[RegistryServer]:
    file = tmp_path_factory.mktemp("auth") / "key.pem"
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    file.write_bytes(public)
    server = RegistryServer(
        "--token-realm", REALM, "--token-service", "reg", "--token-issuer", "auth", "--token-key", str(file)
    )
    yield server
    server.close()


def token(key: Any, *access: dict[str, Any], algorithm: str = "ES256", **claims: Any) -> dict[str, str]:
    now = datetime.datetime.now(datetime.UTC)
    said = {"iss": "auth", "aud": "reg", "sub": "me", "exp": now + datetime.timedelta(minutes=5), "access": access}
    return {"Authorization": "Bearer " + jwt.encode(said | claims, key, algorithm=algorithm)}


def may(name: str, *actions: str) -> dict[str, Any]:
    return {"type": "repository", "name": name, "actions": list(actions)}


def test_tokens(tokens: RegistryServer, key: Any) -> None:
    answer = tokens.ask("GET", "/v2/")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, f'Bearer realm="{REALM}",service="reg"')
    for method, actions in (("GET", "pull"), ("POST", "pull,push")):
        path = "/v2/a/tags/list" if method == "GET" else "/v2/a/blobs/uploads/"
        challenge = tokens.ask(method, path).headers["WWW-Authenticate"]
        assert challenge.endswith(f'scope="repository:a:{actions}"')
    stranger = ec.generate_private_key(ec.SECP256R1())
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    bad = [
        token(stranger), token(key, exp=past), token(key, aud="other"), token(key, iss="other"),
        token("secret" * 8, algorithm="HS256"), token(None, algorithm="none"), {"Authorization": "Bearer x"},
    ]  # fmt: skip
    for headers in bad:
        answer = tokens.ask("GET", "/v2/", headers=headers)
        assert (answer.status, 'error="invalid_token"' in answer.headers["WWW-Authenticate"]) == (401, True), headers
    assert tokens.ask("GET", "/v2/", headers=token(key)).status == 200
    narrow = tokens.ask("POST", "/v2/a/blobs/uploads/", headers=token(key, may("a", "pull"), may("b", "push")))
    assert 'error="insufficient_scope"' in narrow.headers["WWW-Authenticate"]
    tokens.authorization = token(key, may("a", "pull", "push"))["Authorization"]
    tokens.push_image("a", "1")
    layer = tokens.push_blob("a", b"secret")
    only_b = token(key, may("b", "pull", "push"))
    assert tokens.ask("GET", f"/v2/a/blobs/{layer}", headers=only_b).status == 401
    for query in (f"mount={layer}&from=a", f"mount={layer}"):
        assert tokens.ask("POST", f"/v2/b/blobs/uploads/?{query}", headers=only_b).status == 202, "no way around"
    assert tokens.ask("DELETE", "/v2/a/manifests/1").status == 401
    assert tokens.ask("GET", "/v2/_catalog").status == 401
    catalog = {"type": "registry", "name": "catalog", "actions": ["*"]}
    assert tokens.ask("GET", "/v2/_catalog", headers=token(key, catalog)).status == 200


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for the loopback address that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1)).add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (directory / "ca.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "server.key").write_bytes(private)
    return directory / "ca.crt", directory / "server.key"


def test_tls_and_read_only(image_tar: Path, tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("needs skopeo (Debian: skopeo)")
    (tmp_path / "trust").mkdir()
    crt, key = certificate(tmp_path)
    shutil.copy(crt, tmp_path / "trust")
    server = RegistryServer("--tls-cert", str(crt), "--tls-key", str(key))
    try:
        target = f"docker://{server.address}/tls/bb:1"
        source = f"tarball:{image_tar}"
        command = ["skopeo", "--tmpdir", str(tmp_path), "copy"]
        distrusts = subprocess.run([*command, source, target], capture_output=True, text=True, check=False, timeout=60)
        assert "certificate" in distrusts.stderr + distrusts.stdout
        subprocess.run([*command, "--dest-cert-dir", str(tmp_path / "trust"), source, target], check=True, timeout=60)
        server.kill()
        server.flags = ("--read-only",)
        server.start()
        assert server.ask("GET", "/v2/tls/bb/manifests/1").status == 200
        for method, path in (
            ("POST", "blobs/uploads/"), ("PUT", "manifests/2"), ("DELETE", "manifests/1"), ("PATCH", "blobs/uploads/x")
        ):  # fmt: skip
            answer = server.ask(method, f"/v2/tls/bb/{path}", b"{}")
            assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    finally:
        server.close()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--tls-cert", "/x"], "go together"),
        (["--token-realm", "x"], "needs --token-service"),
        (["--addr", "x"], "is not HOST:PORT"),
        (["--upload-size", "many"], "no number of bytes"),
        (["--htpasswd", "/dev/null/x"], "failed to start"),
    ],
)
def test_wrong_settings_are_said(flags: list[str], sentence: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sampan", "registry", "serve", "--data-root", str(tmp_path / "r"), *flags],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode in (1, 125) and sentence in done.stderr
    assert "Traceback" not in done.stderr
