"""How does an image get a Python, and a package to install, without a network? This machine's own, at its own paths."""

import io
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from archives import Member, file, link

NOT_NEEDED = {"test", "tests", "idlelib", "site-packages", "dist-packages"}
WHEELS_OF_DEBIAN = Path("/usr/share/python-wheels")


def python_members() -> list[Member]:
    """The interpreter, its standard library and what they are linked to."""
    stdlib, program = Path(sysconfig.get_path("stdlib")), Path(sys.executable).resolve()
    linked = subprocess.run(
        ["ldd", program, *stdlib.glob("lib-dynload/*.so")], capture_output=True, text=True, check=False
    )
    files = {program, *(Path(path) for path in re.findall(r"(/\S+) \(0x", linked.stdout))}
    files |= {p for p in stdlib.rglob("*") if p.suffix in {".py", ".so"} and not NOT_NEEDED & {*p.parts}}
    return [*(file(str(p).lstrip("/"), p.read_bytes()) for p in sorted(files)), link("bin/python", str(program))]


def pip_wheel() -> Path | None:
    """The pip that `ensurepip` would install."""
    bundled = Path(sysconfig.get_path("stdlib")) / "ensurepip" / "_bundled"
    return next((found for place in (bundled, WHEELS_OF_DEBIAN) for found in place.glob("pip-*.whl")), None)


def wheel(name: str, module: str) -> bytes:
    """A wheel of one module, as the binary distribution format has it (PEP 427)."""
    about = f"{name}-1.0.dist-info"
    members = {
        f"{name}.py": module,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in (*members, f"{about}/RECORD"))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
    return out.getvalue()
