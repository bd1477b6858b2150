"""Where do the suites of other projects come from? From Debian's source packages, fetched when a test runs."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Debian:
    """One release of Debian, with package lists of our own in `cache`, so that the machine's are left alone."""

    def __init__(self, release: str, cache: Path) -> None:
        self.cache = cache
        lists = cache / "lists" / "partial"
        lists.mkdir(parents=True, exist_ok=True)
        sources = cache / "debian.sources"
        sources.write_text(
            f"Types: deb deb-src\nURIs: http://deb.debian.org/debian\nSuites: {release}\nComponents: main\n"
            f"Signed-By: {KEYS}\n"
        )
        places = {"Etc::sourcelist": sources, "Etc::sourceparts": "/dev/null", "State::lists": lists.parent}
        options = (word for name, place in places.items() for word in ("-o", f"Dir::{name}={place}"))
        self._apt = ("apt-get", "-q", *options)

    def source(self, package: str) -> Path | None:
        """The unpacked source of a package, as upstream published it; None without network."""
        found = next((path for path in self.cache.glob(f"{package}-*") if path.is_dir()), None)
        if found is None and self._run("update"):
            self._run("source", "--download-only", package)  # a mirror may lack the .dsc, which is not needed
            for archive in self.cache.glob(f"{package}_*.orig.tar.*"):
                subprocess.run(["tar", "-xf", str(archive)], cwd=self.cache, check=True)
            found = next((path for path in self.cache.glob(f"{package}-*") if path.is_dir()), None)
        return found

    def unpack(self, packages: Sequence[str], into: Path) -> bool:
        """Unpack binary packages without installing them; whether it could be done."""
        if not into.exists():
            if not (self._run("update") and self._run("download", *packages)):
                return False
            for archive in self.cache.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(archive), str(into)], check=True)
        return True

    def _run(self, *words: str) -> bool:
        done = subprocess.run([*self._apt, *words], cwd=self.cache, capture_output=True, timeout=300, check=False)
        return done.returncode == 0
