"""Which packages does an SBOM name, and what of a hostile tree?"""

import io
import tarfile
from pathlib import Path

import pytest

from archives import Member, file, link, tar
from sampan.builder import packages
from sampan.builder.context import Workspace
from sampan.builder.packages import packages_of
from sampan.errors import InvalidRequest

DPKG = b"""Package: curl
Status: install ok installed
Architecture: amd64
Version: 7.88.1-10+deb12u5
Description: a tool
 Package: not-this

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Version: 2

"""
APK = b"C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\n\nP:no-version\n\n"
METADATA = b"Metadata-Version: 2.1\nName: Flask_App\nVersion: 2.0\n\nName: in-the-text\nVersion: 9\n"


def listed(directory: Path, members: list[Member]) -> list[tuple[str, str, str]]:
    with Workspace(directory).keep(io.BytesIO(tar(members))).open() as tree:
        return [(each.name, each.version, each.purl) for each in packages_of(tree)]


def test_every_database_is_read(tmp_path: Path) -> None:
    assert listed(tmp_path, [
        file("etc/os-release", b'ID="debian"\nVERSION_ID="12"\n'), file("var/lib/dpkg/status", DPKG),
        file("var/lib/dpkg/status.d/tzdata", b"Package: tzdata\nVersion: 2024a\nArchitecture: all\n"),
        file("var/lib/dpkg/status.d/tzdata.md5sums", b"Package: sums\nVersion: 1\n"),
        file("lib/apk/db/installed", APK),
        file("usr/lib/python3/dist-packages/flask_app-2.0.dist-info/METADATA", METADATA),
        file("opt/x/old.egg-info/PKG-INFO", b"Name: old\nVersion: 1\n"), file("opt/y/flat.egg-info", b"Name: flat\n"),
        file("proc/a.dist-info/METADATA", METADATA.replace(b"Flask", b"Proc")),
        file("opt/z/c.dist-info/METADATA", METADATA),
    ]) == [
        ("Flask_App", "2.0", "pkg:pypi/flask-app@2.0"),
        ("curl", "7.88.1-10+deb12u5", "pkg:deb/debian/curl@7.88.1-10%2Bdeb12u5?arch=amd64&distro=debian-12"),
        ("musl", "1.2.4-r2", "pkg:apk/debian/musl@1.2.4-r2?arch=x86_64&distro=debian-12"),
        ("old", "1", "pkg:pypi/old@1"),
        ("tzdata", "2024a", "pkg:deb/debian/tzdata@2024a?arch=all&distro=debian-12"),
    ]  # fmt: skip


def test_a_tree_without_databases_has_no_packages(tmp_path: Path) -> None:
    assert listed(tmp_path, [file("bin/x", b"1")]) == []


def test_nothing_of_the_host_is_listed_and_oddities_are_left_out(tmp_path: Path) -> None:
    assert listed(tmp_path, [
        link("var/lib/dpkg/status", "/../../../../../../var/lib/dpkg/status"),
        link("var/lib/dpkg/status.d", "/etc/apt"), link("etc/os-release", "/etc/passwd"),
        file("lib/apk/db/installed", type=tarfile.FIFOTYPE),
        file("a.dist-info/METADATA", b"Name: \xff\nVersion: " + b"9" * 5000),
        link("b.dist-info/METADATA", "../a.dist-info/METADATA"), link("c", "/"),
    ]) == []  # fmt: skip


def test_too_much_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGES_MAX", 1)
    monkeypatch.setattr(packages, "METADATA_BYTES_MAX", 1000)
    with pytest.raises(InvalidRequest, match="more than 1 packages"):
        listed(tmp_path, [file("lib/apk/db/installed", APK), file("var/lib/dpkg/status", DPKG)])
    with pytest.raises(InvalidRequest, match="larger than 1000 bytes"):
        listed(tmp_path, [file("a.dist-info/METADATA", b"x" * 1001)])
