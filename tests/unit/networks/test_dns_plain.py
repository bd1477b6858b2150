"""Does the short way answer what the long way answers?"""

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as some

from sampan.networks import dns_plain
from sampan.networks.dns_answer import TTL, Answers
from sampan.networks.dns_zone import Entry, Seat, Zones

SEATS = (Seat(network_id="n", network_name="front"),)
LABELS = some.lists(
    some.sampled_from(["web", "WEB", "six", "none", "front", "a" * 63, "x_y-1"]), min_size=1, max_size=3
)


def zones() -> Zones:
    made = Zones()
    made.add("n", Entry(endpoint_id="a", names=("web", "pool"), addresses=("10.1.0.2", "fd00::2")))
    made.add("n", Entry(endpoint_id="b", names=("pool",), addresses=("10.1.0.3",)))
    made.add("n", Entry(endpoint_id="c", names=("six",), addresses=("fd00::3",)))
    return made


def both(query: bytes, over_tcp: bool) -> tuple[dns.message.Message | None, dns.message.Message | None] | None:
    """The short and the long way's answers; None when the short way does not take the question."""
    known = zones()
    try:
        short = dns_plain.answer(query, lambda name: known.look_up(SEATS, name), TTL, over_tcp=over_tcp)
    except dns_plain.NotPlain:
        return None
    # The long way for everything: it is the one for a container that keeps plain names, asked for names with a dot.
    long = Answers(known, SEATS, keeps_plain_names=True).answer(query, over_tcp=over_tcp)
    read = None if short is None else dns.message.from_wire(query[:2] + short[0])
    return read, dns.message.from_wire(long) if long else None


@given(LABELS, some.sampled_from(["A", "AAAA"]), some.sampled_from([-1, 0]), some.booleans(), some.booleans())
def test_the_short_way_says_what_the_long_way_says(
    labels: list[str], kind: str, edns: int, over_tcp: bool, recursion: bool
) -> None:
    query = dns.message.make_query(".".join([*labels, "front"]), kind, use_edns=edns)
    if not recursion:
        query.flags = dns.flags.Flag(0)
    answers = both(query.to_wire(), over_tcp)
    assert answers is not None
    short, long = answers
    assert (short is None) == (long is None)
    if short is not None and long is not None:
        assert query.is_response(short)
        assert short.to_text() == long.to_text()


@pytest.mark.parametrize("kind", ["MX", "ANY", "PTR", "SRV", "TXT"])
def test_other_questions_are_left_to_the_long_way(kind: str) -> None:
    assert both(dns.message.make_query("web", kind).to_wire(), False) is None


def test_so_are_questions_with_anything_particular() -> None:
    plain = dns.message.make_query("web", "A", use_edns=0)
    assert both(plain.to_wire(), False) is not None
    wants_dnssec = dns.message.make_query("web", "A", want_dnssec=True)
    cookie = dns.message.make_query("web", "A", use_edns=0, options=[dns.edns.GenericOption(10, b"12345678")])
    escaped = dns.message.make_query(r"we\\.b", "A")
    for query in (wants_dnssec, cookie, escaped):
        assert both(query.to_wire(), False) is None
    assert both(plain.to_wire() + b"x", False) is None


@given(some.binary(max_size=80))
def test_no_bytes_are_too_odd(data: bytes) -> None:
    try:
        dns_plain.answer(data, lambda name: None, TTL, over_tcp=False)
    except dns_plain.NotPlain:
        pass


def test_an_answer_too_long_is_left_to_the_long_way() -> None:
    query = dns.message.make_query("web", "A").to_wire()
    many = [f"10.0.{number // 250}.{number % 250}" for number in range(60)]
    with pytest.raises(dns_plain.NotPlain):
        dns_plain.answer(query, lambda name: many, TTL, over_tcp=False)
    assert len(dns_plain.answer(query, lambda name: many, TTL, over_tcp=True) or ()) == 16
