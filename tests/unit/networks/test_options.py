"""Are a network's options read as dockerd reads them, and refused with its sentences?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.networks import endpoint, limits, options

ID = "ab" * 32
NAMES = [
    options.BRIDGE_NAME, options.MTU, options.ICC, options.MASQUERADE, options.HOST_BINDING, options.HOST_IPV4,
    options.SPOOF_CHECK, options.PUBLISH, *options.GATEWAY_MODE.values(),
]  # fmt: skip


def test_what_is_not_said_is_dockers_default() -> None:
    read = options.read(ID, {})
    assert (read.bridge, read.icc, read.masquerade, read.mtu) == ("br-abababababab", True, True, 0)
    assert read.gateway_mode(4) == read.gateway_mode(6) == "nat"


@pytest.mark.parametrize(("text", "value"), [("1", True), ("T", True), ("False", False), ("f", False), ("0", False)])
def test_switches_are_written_as_in_go(text: str, value: bool) -> None:
    assert options.read(ID, {options.ICC: text}).icc is value


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (options.ICC, "maybe", 'value: maybe (strconv.ParseBool: parsing "maybe": invalid syntax)'),
        (options.MTU, "abc", 'value: abc (strconv.Atoi: parsing "abc": invalid syntax)'),
        (options.MTU, "-1", "invalid MTU number: -1"),
        (options.MTU, "99999", "invalid MTU number: 99999"),
        (options.BRIDGE_NAME, "a/b", "numerical result out of range"),
        (options.HOST_BINDING, "::1", "it is not an IPv4 address"),
        (options.GATEWAY_MODE[4], "odd", "unknown gateway mode odd"),
        (options.GATEWAY_MODE[6], "isolated", "can only be used for an internal network"),
        (options.PUBLISH, "both", "nat and firewall are known"),
    ],
)
def test_what_cannot_be_is_refused(name: str, text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        options.read(ID, {name: text})
    assert sentence in str(caught.value)


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30)))
def test_no_text_is_too_odd(given_options: dict[str, str]) -> None:
    try:
        read = options.read(ID, given_options)
    except InvalidRequest:
        return
    assert options.is_interface_name(read.bridge)


@given(st.text(max_size=60) | st.from_regex(r"net\.ipv[46]\.conf\.IFNAME\.[a-z_./]{1,12}=[0-9]", fullmatch=True))
def test_settings_are_those_of_one_interface(text: str) -> None:
    try:
        found = endpoint.read_sysctls(text, "eth7")
    except InvalidRequest:
        return
    for path in found:
        parts = path.split("/")
        assert parts[0] == "net" and parts[3] == "eth7" and len(parts) == 5
        assert not {"", ".", ".."} & set(parts)


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("10k", 10 << 10), ("10M", 10 << 20), ("1g", 1 << 30), ("5mb", 5 << 20)]
)
def test_rates_are_bytes_a_second(text: str, size: int) -> None:
    read = limits.read({limits.RATE_IN: text})
    assert (read.rate_in, read.rate_out) == (size, 0)
    assert read.burst_in >= limits.LEAST_BURST


@given(st.dictionaries(st.sampled_from([limits.RATE_IN, limits.RATE_OUT, limits.BURST_IN]), st.text(max_size=12)))
def test_no_rate_is_too_odd(given_options: dict[str, str]) -> None:
    try:
        read = limits.read(given_options)
    except InvalidRequest:
        return
    assert 0 <= read.rate_in <= limits.MOST
