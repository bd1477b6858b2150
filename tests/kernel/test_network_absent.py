"""What if the engine may not make bridges: is it told in a sentence, and is nothing left?"""

from pathlib import Path

import pytest

from conftest import prepare
from engine import Engine
from expect import IMAGE

pytestmark = pytest.mark.needs_root


def test_without_the_right_to_make_interfaces(image_tar: Path) -> None:
    engine = Engine(bridge="")
    try:
        engine.start("setpriv", "--bounding-set", "-net_admin")
        prepare(engine, image_tar)
        done = engine.docker("run", "--rm", IMAGE, "true")
        assert done.code == 125
        assert "bridge networks need CAP_NET_ADMIN, which this daemon does not have" in done.stderr
        done = engine.docker("network", "create", "mine")
        assert "bridge networks need CAP_NET_ADMIN" in done.stderr
        assert engine.docker("network", "ls", "-q", "--filter", "type=custom").stdout == ""
        assert engine.docker("ps", "-aq").stdout == ""
    finally:
        found = engine.close()
    assert not found, found


def test_a_second_engine_in_the_same_network_is_told(image_tar: Path) -> None:
    first, second = Engine(bridge=""), Engine(bridge="")
    try:
        first.start()
        prepare(first, image_tar)
        assert first.docker("run", "--rm", IMAGE, "true").code == 0
        second.network = first.network
        second.start()
        prepare(second, image_tar)
        done = second.docker("run", "--rm", IMAGE, "true")
        assert "another sampan engine has the bridge networks of this machine" in done.stderr
        assert first.docker("run", "--rm", IMAGE, "true").code == 0
    finally:
        second.network = None
        found = [*second.close(), *first.close()]
    assert not found, found
