"""What does the embedded resolver say to one query, as bytes?

Answers about containers are made here, with dnspython but for the most common question (`dns_plain.py`), and remembered
by the query's bytes without its id: programs ask the same few questions again and again, and 10,000 answers a second
are then 10,000 look-ups in a dict.
What is nobody's name here is for the forwarder (None). Data from containers: whatever it holds, an answer or FORMERR
comes out, and nothing is kept but a bounded number of answers.
"""

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

from sampan.networks import dns_plain
from sampan.networks.dns_zone import Seat, Zones, is_usable, of_family

TTL = 600
KEPT_ANSWERS = 2048
MOST_ROTATIONS = 16
PLAIN_UDP = 512  # RFC 1035, 4.2.1
MOST_UDP = 4096
HEADER = 12

Rotation = list[bytes]


class Answers:
    """The answers for one container. `seats` are its networks; to be set anew when they change.

    `keeps_plain_names`: a name without a dot that is nobody's is answered with nothing and asked of nobody else, for a
    container that said by `ndots` that such names are to be completed first.
    """

    def __init__(self, zones: Zones, seats: tuple[Seat, ...], *, keeps_plain_names: bool = False) -> None:
        self._zones = zones
        self._keeps_plain_names = keeps_plain_names
        self._kept: dict[tuple[bytes, bool], Rotation | None] = {}
        self._generation = -1
        self.seats = seats

    def sit(self, seats: tuple[Seat, ...]) -> None:
        """The container is on these networks now."""
        self.seats = seats
        self._kept.clear()

    def answer(self, query: bytes, *, over_tcp: bool = False) -> bytes | None:
        """The answer to a query, b"" for what deserves none; None when no container has the name."""
        generation = self._zones.generation(self.seats)
        if self._generation != generation:
            self._kept.clear()
            self._generation = generation
        key = (query[2:], over_tcp)
        if key not in self._kept:
            if len(self._kept) >= KEPT_ANSWERS:
                self._kept.clear()
            self._kept[key] = self._make(query, over_tcp)
        rotation = self._kept[key]
        if rotation is None:
            return None
        if len(rotation) > 1:
            rotation.append(rotation.pop(0))
        return query[:2] + rotation[0] if rotation else b""

    def _make(self, query: bytes, over_tcp: bool) -> Rotation | None:
        if not self._keeps_plain_names:
            try:
                return dns_plain.answer(query, self._addresses_of, TTL, over_tcp=over_tcp)
            except dns_plain.NotPlain:
                pass
        if len(query) < HEADER or query[2] & 0x80:
            return []  # shorter than a header, or itself an answer: two resolvers must not talk for ever
        try:
            asked = dns.message.from_wire(query, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError):
            return [_failure(query, dns.rcode.FORMERR)]
        if asked.opcode() != dns.opcode.QUERY:
            return [_failure(query, dns.rcode.NOTIMP)]
        if len(asked.question) != 1:
            return [_failure(query, dns.rcode.FORMERR)]
        try:
            return self._encoded(asked, over_tcp)
        except dns.exception.DNSException:
            return [_failure(query, dns.rcode.SERVFAIL)]  # what cannot be written down is nobody's name

    def _encoded(self, asked: dns.message.Message, over_tcp: bool) -> Rotation | None:
        found = self._records(asked.question[0])
        if found is None:
            return None
        answers, additional = found
        limit = 65535 if over_tcp else udp_limit(asked)
        turns = min(max(len(answers), 1), MOST_ROTATIONS)
        return [_encode(asked, answers[turn:] + answers[:turn], additional, limit) for turn in range(turns)]

    def _addresses_of(self, name: str) -> tuple[str, ...] | None:
        return self._zones.look_up(self.seats, name)

    def _records(self, question: dns.rrset.RRset) -> tuple[list[dns.rrset.RRset], list[dns.rrset.RRset]] | None:
        """Answers and additional records, one record in each set; None when nobody here has the name."""
        name, kind = question.name, question.rdtype
        text = name.to_text(omit_final_dot=True)
        if question.rdclass not in (dns.rdataclass.IN, dns.rdataclass.ANY) or not is_usable(text):
            return None
        if kind == dns.rdatatype.PTR:
            return self._pointer(name)
        if kind == dns.rdatatype.SRV:
            services = self._zones.services(self.seats, text)
            if services is None:
                return None
            named = [(host, each) for each in services if (host := host_name(each.host)) is not None]
            answers = [_record(name, "SRV", f"0 0 {each.port} {host.to_text()}") for host, each in named]
            return answers, [record for host, each in named for record in _addresses(host, each.addresses)]
        found = self._zones.look_up(self.seats, text)
        if found is None:
            is_address = kind in (dns.rdatatype.A, dns.rdatatype.AAAA)
            return ([], []) if self._keeps_plain_names and is_address and "." not in text else None
        # For any other type: the name exists and has nothing of the kind. NXDOMAIN would deny the name itself, and
        # programs that ask for AAAA first would believe it (RFC 4074, 4.2).
        return _addresses(name, found, kind), []

    def _pointer(self, name: dns.name.Name) -> tuple[list[dns.rrset.RRset], list[dns.rrset.RRset]] | None:
        try:
            address = dns.reversename.to_address(name)
        except (dns.exception.DNSException, ValueError):
            return None
        found = self._zones.reverse(self.seats, address)
        if found is None:
            return None
        host = host_name(found)
        return ([] if host is None else [_record(name, "PTR", host.to_text())]), []


def host_name(text: str) -> dns.name.Name | None:
    """The name in a record's data; None for what cannot be one. Networks may have names with anything in them."""
    try:
        return dns.name.Name([*(label.encode() for label in text.split(".")), b""])
    except (dns.exception.DNSException, ValueError):
        return None


def _addresses(
    name: dns.name.Name, addresses: tuple[str, ...], kind: dns.rdatatype.RdataType = dns.rdatatype.ANY
) -> list[dns.rrset.RRset]:
    records = []
    for word, version in (("A", 4), ("AAAA", 6)):
        if kind in (dns.rdatatype.ANY, dns.rdatatype.from_text(word)):
            records += [_record(name, word, address) for address in of_family(addresses, version)]
    return records


def _record(name: dns.name.Name, kind: str, text: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(name, TTL, "IN", kind, text)


def _encode(
    asked: dns.message.Message, answers: list[dns.rrset.RRset], additional: list[dns.rrset.RRset], limit: int
) -> bytes:
    """The answer without its id; cut, and marked as cut, where it is longer than the client takes."""
    reply = dns.message.make_response(asked, recursion_available=True, our_payload=MOST_UDP)
    reply.answer, reply.additional = answers, additional
    wire = reply.to_wire(max_size=65535)
    while len(wire) > limit and (reply.answer or reply.additional):
        if reply.additional:
            reply.additional = []
        else:
            reply.flags |= dns.flags.TC
            reply.answer = reply.answer[: len(reply.answer) // 2]
        wire = reply.to_wire(max_size=65535)
    return wire[2:]


def _failure(query: bytes, code: int) -> bytes:
    """An error without its id, made from a header alone: the rest could not be read."""
    flags = 0x80 | (query[2] & 0x79)
    return bytes((flags, 0x80 | code)) + b"\0\0" * 4


def udp_limit(asked: dns.message.Message) -> int:
    """How long a datagram the client takes (RFC 6891, 6.2.3)."""
    return min(max(asked.payload, PLAIN_UDP), MOST_UDP) if asked.edns >= 0 else PLAIN_UDP


def question_end(query: bytes) -> int:
    """Where the one question of a message ends, 0 when it cannot be read (RFC 1035, 4.1.2)."""
    at = HEADER
    while at < len(query) and query[at] < 0x40:
        if query[at] == 0:
            return at + 5 if at + 5 <= len(query) else 0
        at += query[at] + 1
    return 0


def server_failure(query: bytes) -> bytes:
    """SERVFAIL: nobody could be asked (RFC 1035, 4.1.1). The question goes along, as resolvers expect."""
    end = question_end(query)
    counts = b"\0\1" + b"\0\0" * 3 if end else b"\0\0" * 4
    return query[:2] + _failure(query, dns.rcode.SERVFAIL)[:2] + counts + query[HEADER:end]


def truncated(query: bytes, reply: bytes) -> bytes:
    """A reply too long for the client's datagram: its head with TC set, so that the client asks again over TCP."""
    end = question_end(query)
    flags = bytes((reply[2] | 0x02, reply[3]))
    counts = (b"\0\1" if end else b"\0\0") + b"\0\0" * 3
    return query[:2] + flags + counts + query[HEADER:end]


def datagram_limit(query: bytes) -> int:
    """`udp_limit` for a query that has not been parsed; a query that cannot be parsed gets the least."""
    try:
        return udp_limit(dns.message.from_wire(query, ignore_trailing=True))
    except (dns.exception.DNSException, ValueError):
        return PLAIN_UDP
