"""How does a test get programs of Debian's into an image? Their packages, downloaded once, unpacked into one layer.

Into .cache; where Debian's mirror cannot be reached the tests skip.
"""

import io
import subprocess
import tarfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "debian"


def layer(packages: list[str]) -> bytes | None:
    """A tar of the packages' files; None when they cannot be had. Nothing of a package's scripts is run."""
    CACHE.mkdir(parents=True, exist_ok=True)
    missing = [name for name in packages if not list(CACHE.glob(f"{name}_*.deb"))]
    if missing:
        try:
            subprocess.run(["apt-get", "download", *missing], cwd=CACHE, check=True, capture_output=True, timeout=120)
        except (subprocess.SubprocessError, OSError):
            return None
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in packages:
            deb = sorted(CACHE.glob(f"{name}_*.deb"))[-1]
            files = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], check=True, capture_output=True).stdout
            with tarfile.open(fileobj=io.BytesIO(files)) as package:
                for member in package:
                    # Debian's merged /usr: packages still name /lib and /bin, which are links there.
                    member.name = member.name.lstrip("./")
                    if member.name:
                        tar.addfile(member, package.extractfile(member) if member.isreg() else None)
    return out.getvalue()
