"""Does a container's /etc/resolv.conf say what Docker's says?"""

import pytest

from sampan.containers.resolv_conf import (
    FALLBACK,
    Asked,
    has_ndots,
    nameservers,
    on_host_network,
    with_resolver,
    without_resolver,
)

HOST = "# by hand\nnameserver 10.0.0.1\nsearch a.example b.example\noptions edns0 trust-ad\n"
NOTHING = Asked()


def test_the_hosts_file_is_kept_unless_something_is_asked_for() -> None:
    assert on_host_network(HOST, NOTHING) == HOST
    assert without_resolver(HOST, NOTHING) == HOST


def test_what_is_asked_for_takes_the_place_of_the_hosts() -> None:
    for make in (on_host_network, without_resolver):
        assert make(HOST, Asked(servers=["9.9.9.9"])) == (
            "search a.example b.example\nnameserver 9.9.9.9\noptions edns0 trust-ad\n"
        )
        assert make(HOST, Asked(search=["."], words=["ndots:3"])) == "nameserver 10.0.0.1\noptions ndots:3\n"


def test_servers_that_a_container_cannot_reach_are_left_out() -> None:
    text = "nameserver 127.0.0.53\nnameserver ::1\nnameserver 10.0.0.1\nnameserver fd00::1\nsearch x\n"
    assert nameservers(without_resolver(text, NOTHING)) == ["10.0.0.1"]
    assert nameservers(without_resolver(text, NOTHING, ipv6=True)) == ["10.0.0.1", "fd00::1"]
    assert without_resolver("nameserver 127.0.0.53\nsearch x\n", NOTHING) == (
        "search x\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n"
    )
    assert nameservers(without_resolver("", NOTHING)) == list(FALLBACK)
    assert nameservers(without_resolver("", Asked(servers=["127.0.0.1"]))) == ["127.0.0.1"], "somebody asked for it"


def test_with_a_resolver_it_is_the_only_server() -> None:
    assert with_resolver(HOST, NOTHING) == (
        "search a.example b.example\nnameserver 127.0.0.11\noptions edns0 trust-ad ndots:0\n"
    )
    assert with_resolver("", NOTHING) == "nameserver 127.0.0.11\noptions ndots:0\n"
    asked = Asked(servers=["9.9.9.9"], search=["y"], words=["ndots:2"])
    assert with_resolver(HOST, asked) == "search y\nnameserver 127.0.0.11\noptions ndots:2\n"


@pytest.mark.parametrize("text", ["nameserver", "nameserver x", "nameserver 1.2.3.4.5", "server 1.2.3.4", "\0\n"])
def test_what_is_no_server(text: str) -> None:
    assert nameservers(text) == []


def test_ndots_is_an_option_with_a_number() -> None:
    assert has_ndots(["edns0", "ndots:5"])
    assert not has_ndots(["ndots", "ndots:", "ndots:x"])
