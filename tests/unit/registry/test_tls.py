"""certs.d as docker has it."""

import ssl
from pathlib import Path

import pytest

from sampan.errors import InvalidRequest
from sampan.registry.tls import make_context


def test_verification_is_on(tmp_path: Path) -> None:
    """D04."""
    context = make_context("r.lan", [tmp_path])
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert make_context("r.lan", [tmp_path], verify=False).verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (["a.cert"], "missing key a.key for client certificate a.cert"),
        (["a.key"], "missing client certificate a.cert for key a.key"),
        (["ca.crt"], "could not use"),
        (["a.cert", "a.key"], "could not use"),
    ],
)
def test_what_is_wrong_there_is_named(tmp_path: Path, files: list[str], sentence: str) -> None:
    (tmp_path / "r.lan:5000").mkdir()
    for name in files:
        (tmp_path / "r.lan:5000" / name).write_text("nonsense")
    with pytest.raises(InvalidRequest, match=sentence):
        make_context("r.lan:5000", [tmp_path])
    make_context("r.lan", [tmp_path])
