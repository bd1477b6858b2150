"""What does a name mean to a container that is on some networks and not on others?"""

from sampan.networks.dns_zone import Entry, Seat, Zones, is_usable

FRONT = Seat(network_id="n1", network_name="front")
BACK = Seat(network_id="n2", network_name="Back.Net")


def zones() -> Zones:
    made = Zones()
    made.add("n1", Entry(endpoint_id="a", names=("web", "shop", "0123456789ab"), addresses=("10.1.0.2", "fd00::2")))
    made.add("n1", Entry(endpoint_id="b", names=("web2", "shop"), addresses=("10.1.0.3",), ports=((80, "tcp"),)))
    made.add("n2", Entry(endpoint_id="c", names=("db", "Web"), addresses=("10.2.0.2",)))
    return made


def test_a_name_means_what_the_networks_of_the_asker_say_in_their_order() -> None:
    made = zones()
    assert made.look_up([FRONT], "WEB") == ("10.1.0.2", "fd00::2")
    assert made.look_up([BACK], "web") == ("10.2.0.2",)
    assert made.look_up([BACK, FRONT], "web") == ("10.2.0.2",)
    assert made.look_up([FRONT, BACK], "web") == ("10.1.0.2", "fd00::2")
    assert made.look_up([FRONT], "db") is None
    assert made.look_up([], "web") is None
    assert made.look_up([FRONT], "0123456789ab") == ("10.1.0.2", "fd00::2")


def test_a_name_that_several_share_has_the_addresses_of_all() -> None:
    assert zones().look_up([FRONT], "shop") == ("10.1.0.2", "fd00::2", "10.1.0.3")


def test_the_network_may_be_said_behind_the_name() -> None:
    made = zones()
    assert made.look_up([FRONT, BACK], "web.front") == ("10.1.0.2", "fd00::2")
    assert made.look_up([FRONT, BACK], "web.back.net") == ("10.2.0.2",)
    assert made.look_up([FRONT], "web.back.net") is None
    assert made.look_up([FRONT], "web.example.org") is None
    made.add("n1", Entry(endpoint_id="d", names=("a.b.front",), addresses=("10.1.0.9",)))
    assert made.look_up([FRONT], "a.b.front") == ("10.1.0.9",)
    assert made.look_up([FRONT], "a.b.front.front") == ("10.1.0.9",)


def test_a_link_is_a_name_for_one_container_alone() -> None:
    made = zones()
    linked = Seat(network_id="n1", network_name="front", links={"mysql": "web2", "web": "web2"})
    assert made.look_up([linked], "mysql") == ("10.1.0.3",)
    assert made.look_up([linked], "web") == ("10.1.0.3",), "a link comes before a name"
    assert made.look_up([FRONT], "mysql") is None


def test_addresses_have_names_and_ports_have_services() -> None:
    made = zones()
    assert made.reverse([FRONT], "10.1.0.3") == "web2.front"
    assert made.reverse([FRONT], "fd00::2") == "web.front"
    assert made.reverse([BACK], "10.1.0.3") is None
    (service,) = made.services([FRONT], "_http._tcp.shop") or ()
    assert (service.port, service.host, service.addresses) == (80, "web2.front", ("10.1.0.3",))
    assert made.services([FRONT], "_81._tcp.shop") == ()
    assert made.services([FRONT], "_80._tcp.nobody") is None
    assert made.services([FRONT], "shop") is None


def test_what_leaves_is_forgotten_and_what_comes_again_is_new() -> None:
    made = zones()
    before, elsewhere = made.generation([FRONT]), made.generation([BACK])
    made.add("n1", Entry(endpoint_id="a", names=("renamed",), addresses=("10.1.0.2",)))
    assert made.generation([FRONT]) > before
    assert made.generation([BACK]) == elsewhere, "nobody there need look again"
    assert made.look_up([FRONT], "web") is None
    assert made.reverse([FRONT], "10.1.0.2") == "renamed.front"
    assert made.reverse([FRONT], "fd00::2") is None
    for endpoint in ("a", "b", "b", "never"):
        made.remove("n1", endpoint)
    assert made.look_up([FRONT], "shop") is None
    assert made.look_up([BACK], "db") == ("10.2.0.2",)


def test_what_cannot_be_a_name() -> None:
    assert is_usable("a.b")
    assert is_usable("a" * 63 + ".x")
    assert not is_usable("a" * 64)
    assert not is_usable("a..b")
    assert not is_usable(".".join(["a" * 50] * 6))
