"""Which bytes answer which query? Whatever a container sends, an answer or nothing comes out."""

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as some

from sampan.networks.dns_answer import Answers, datagram_limit, server_failure, truncated
from sampan.networks.dns_zone import Entry, Seat, Zones

SEATS = (Seat(network_id="n", network_name="front"),)


def answers(*more: Entry) -> Answers:
    zones = Zones()
    zones.add("n", Entry(endpoint_id="a", names=("web",), addresses=("10.1.0.2", "fd00::2"), ports=((80, "tcp"),)))
    zones.add("n", Entry(endpoint_id="b", names=("four",), addresses=("10.1.0.3",)))
    for entry in more:
        zones.add("n", entry)
    return Answers(zones, SEATS)


def ask(made: Answers, name: str, kind: str, **options: int) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **options)  # type: ignore[arg-type]
    reply = made.answer(query.to_wire())
    assert reply, f"no answer for {name} {kind}"
    parsed = dns.message.from_wire(reply)
    assert query.is_response(parsed)
    return parsed


@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        ("web", "A", ["web. 600 IN A 10.1.0.2"]),
        ("WeB", "A", ["WeB. 600 IN A 10.1.0.2"]),
        ("web.front", "AAAA", ["web.front. 600 IN AAAA fd00::2"]),
        ("four", "AAAA", []),
        ("four", "MX", []),
        ("four", "TXT", []),
        ("2.0.1.10.in-addr.arpa", "PTR", ["2.0.1.10.in-addr.arpa. 600 IN PTR web.front."]),
        ("_http._tcp.web", "SRV", ["_http._tcp.web. 600 IN SRV 0 0 80 web.front."]),
        ("_ftp._tcp.web", "SRV", []),
    ],
)
def test_the_records_of_a_name(name: str, kind: str, records: list[str]) -> None:
    """A name that has nothing of a kind exists all the same: no error, and no record."""
    reply = ask(answers(), name, kind)
    assert reply.rcode() == dns.rcode.NOERROR
    assert [line for record in reply.answer for line in record.to_text().splitlines()] == records
    assert reply.flags & dns.flags.RA


def test_a_service_brings_the_addresses_of_its_host() -> None:
    reply = ask(answers(), "_80._tcp.web", "SRV")
    assert sorted(record.to_text() for record in reply.additional) == [
        "web.front. 600 IN A 10.1.0.2",
        "web.front. 600 IN AAAA fd00::2",
    ]


def test_names_of_nobody_are_for_others() -> None:
    made = answers()
    for name, kind in (("example.org", "A"), ("9.9.9.9.in-addr.arpa", "PTR"), ("_x._tcp.example.org", "SRV")):
        query = dns.message.make_query(name, kind).to_wire()
        assert made.answer(query) is None
        assert made.answer(query) is None, "nor the second time"


@pytest.mark.parametrize("network", ["a b", 'x"; (', "\\\\", "é", "a..b", "n" * 64, "n." * 130, "x\\n1 IN A 6.6.6.6"])
def test_no_network_has_too_odd_a_name(network: str) -> None:
    """H15: a name that somebody made up ends up in an answer as one name, or not at all."""
    zones = Zones()
    zones.add("n", Entry(endpoint_id="a", names=("web",), addresses=("10.1.0.2",), ports=((80, "tcp"),)))
    made = Answers(zones, (Seat(network_id="n", network_name=network),))
    pointer = ask(made, "2.0.1.10.in-addr.arpa", "PTR")
    service = ask(made, "_80._tcp.web", "SRV")
    hosts = [record[0].target for record in (*pointer.answer, *service.answer)]  # type: ignore[attr-defined]
    assert all(host.labels[0] == b"web" for host in hosts)
    assert len(hosts) in (0, 2)
    assert ask(made, "web", "A").answer


def test_plain_names_of_nobody_stay_here_if_that_is_said() -> None:
    zones = Zones()
    made = Answers(zones, SEATS, keeps_plain_names=True)
    reply = ask(made, "nobody", "A")
    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
    assert made.answer(dns.message.make_query("nobody.example", "A").to_wire()) is None
    assert made.answer(dns.message.make_query("nobody", "MX").to_wire()) is None


def test_several_addresses_take_turns() -> None:
    shared = [Entry(endpoint_id=f"s{i}", names=("pool",), addresses=(f"10.1.1.{i}",)) for i in range(3)]
    made = answers(*shared)
    firsts = [ask(made, "pool", "A").to_text().split("IN A ")[2].split()[0] for _ in range(6)]
    assert set(firsts) == {"10.1.1.0", "10.1.1.1", "10.1.1.2"}
    assert firsts[:3] == firsts[3:]


def test_an_answer_changes_with_its_zone_and_its_seats() -> None:
    zones = Zones()
    made = Answers(zones, SEATS)
    query = dns.message.make_query("web", "A").to_wire()
    assert made.answer(query) is None
    zones.add("n", Entry(endpoint_id="a", names=("web",), addresses=("10.1.0.2",)))
    assert made.answer(query)
    made.sit(())
    assert made.answer(query) is None


def test_what_does_not_fit_is_cut_and_says_so() -> None:
    many = [Entry(endpoint_id=f"m{i}", names=("many",), addresses=(f"10.1.{i // 250}.{i % 250}",)) for i in range(600)]
    made = answers(*many)
    plain = ask(made, "many", "A", use_edns=-1)
    assert plain.flags & dns.flags.TC
    assert len(plain.to_wire()) <= 512
    query = dns.message.make_query("many", "A", use_edns=0, payload=65535)
    assert len(made.answer(query.to_wire()) or b"") <= 4096
    whole = dns.message.from_wire(made.answer(query.to_wire(), over_tcp=True) or b"")
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == 600


def test_what_is_not_a_question() -> None:
    made = answers()
    query = dns.message.make_query("web", "A")
    assert made.answer(b"") == b""
    assert made.answer(dns.message.make_response(query).to_wire()) == b"", "an answer is not answered"
    cut = made.answer(query.to_wire()[:-3])
    assert cut and dns.message.from_wire(cut).rcode() == dns.rcode.FORMERR
    query.set_opcode(dns.opcode.Opcode.STATUS)
    told = made.answer(query.to_wire())
    assert told and dns.message.from_wire(told).rcode() == dns.rcode.NOTIMP


def test_failures_repeat_the_question() -> None:
    query = dns.message.make_query("example.org", "A", use_edns=0, payload=1400)
    assert query.is_response(failed := dns.message.from_wire(server_failure(query.to_wire())))
    assert failed.rcode() == dns.rcode.SERVFAIL
    reply = dns.message.make_response(query).to_wire()
    cut = dns.message.from_wire(truncated(query.to_wire(), reply))
    assert query.is_response(cut) and cut.flags & dns.flags.TC
    assert datagram_limit(query.to_wire()) == 1400
    assert datagram_limit(b"nonsense") == 512


@given(some.binary(max_size=300))
def test_no_bytes_are_too_odd(data: bytes) -> None:
    """H15: what comes from a container is answered, forwarded or dropped, and never an error of ours."""
    made = answers()
    reply = made.answer(data)
    if reply:
        assert reply[:2] == data[:2]
        assert reply[2] & 0x80
    if reply is None:
        assert server_failure(data)[:2] == data[:2]
    assert len(made.answer(data, over_tcp=True) or b"") <= 65535


@given(some.integers(0, 60), some.binary(min_size=1, max_size=4))
def test_a_query_with_a_few_wrong_bytes(at: int, wrong: bytes) -> None:
    """The same for what is nearly a question."""
    query = bytearray(dns.message.make_query("web.front", "A", use_edns=0).to_wire())
    query[at : at + len(wrong)] = wrong
    reply = answers().answer(bytes(query))
    assert reply is None or not reply or reply[:2] == bytes(query[:2])
