"""Do a local volume's options mean what was written, and nothing else?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest, Unavailable
from sampan.oci.mount import Mount
from sampan.runtime.plan_mounts import plan_mount
from sampan.volumes.options import check, mount_of


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"x": "1"}, 'create v1: invalid option: "x"'),
        ({"type": "tmpfs"}, 'create v1: missing required option: "device"'),
        ({"device": "tmpfs"}, 'create v1: missing required option: "type"'),
        ({"o": "ro"}, 'create v1: missing required option: "device"'),
        ({"size": "1g"}, "create v1: quota size requested but no quota support"),
        ({"type": "tmpfs", "device": "a\nb"}, "create v1: an option of the volume contains unprintable characters"),
        ({"type": "none", "device": "/x", "o": "remount,bind"}, "create v1: a volume cannot be of this type, "
         "or mounted with remount or move"),
        ({"type": "cgroup", "device": "x"}, "create v1: a volume cannot be of this type, or mounted with remount or "
         "move"),
        ({"type": "../x", "device": "x"}, "create v1: the volume's type or device cannot be one"),
        ({"type": "tmpfs", "device": "x" * 4096}, "create v1: the volume's type or device cannot be one"),
        ({"type": "tmpfs", "device": "x", "o": "a" * 256}, "create v1: at most 64 mount options of 255 bytes are "
         "possible"),
    ],
)  # fmt: skip
def test_what_is_refused(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check("v1", options)
    assert str(caught.value) == sentence


def test_a_plain_volume_is_no_mount() -> None:
    check("v1", {})
    assert mount_of({}, "/place") is None


def test_a_server_is_looked_up() -> None:
    found = mount_of({"type": "nfs", "device": ":/x", "o": "addr=127.0.0.1,rw"}, "/place")
    assert found == Mount("/place", ":/x", "nfs", ("addr=127.0.0.1", "rw"))
    with pytest.raises(Unavailable, match=r"^error resolving passed in network volume address: "):
        mount_of({"type": "nfs", "device": ":/x", "o": "addr=no such host.invalid"}, "/place")


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters=","), min_size=1, max_size=8), max_size=5),
       st.text(st.characters(codec="ascii"), min_size=1, max_size=20))  # fmt: skip
def test_no_option_becomes_two(words: list[str], device: str) -> None:
    """B12: whatever a word or the device holds, it reaches the kernel as one."""
    options = {"type": "tmpfs", "device": device, "o": ",".join(words)}
    try:
        check("v1", options)
    except InvalidRequest:
        return
    mount = mount_of(options, "/place")
    assert mount is not None
    assert mount.source == device
    assert list(mount.options) == words
    if not {"bind", "rbind"} & set(words):
        planned = plan_mount({"destination": "/p", "type": mount.type, "source": device, "options": words})
        assert set(planned.parameters) <= set(words)
