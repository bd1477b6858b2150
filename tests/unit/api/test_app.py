"""What every request goes through: versions, headers, errors."""

import pytest

from .conftest import Served


def test_every_answer_says_which_api_it_is(api: Served) -> None:
    for path in ("/_ping", "/v1.41/version", "/nope"):
        _, headers, _ = api.request("GET", path)
        assert headers["api-version"] == "1.51"
        assert headers["ostype"] == "linux"
        assert headers["docker-experimental"] == "false"


def test_ping(api: Served) -> None:
    status, headers, body = api.request("GET", "/_ping")
    assert (status, body) == (200, b"OK")
    assert headers["swarm"] == "inactive"
    status, headers, body = api.request("HEAD", "/_ping")
    assert (status, body, headers["swarm"]) == (200, b"", "inactive")


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/nope", 404, "page not found"),
        ("GET", "/", 404, "page not found"),
        ("PATCH", "/info", 404, "page not found"),
        ("POST", "/_ping", 404, "page not found"),
        ("GET", "/containers/json/", 404, "page not found"),
        ("GET", "/v1.99/info", 400, "client version 1.99 is too new. Maximum supported API version is 1.51"),
        ("GET", "/v1.10/version", 400, "client version 1.10 is too old. Minimum supported API version is 1.24, "
         "please upgrade your client to a newer version"),
        ("GET", "/containers/gone/json", 404, "No such container: gone"),
        ("GET", "/v1.41/containers/a%2Fb%00/json", 404, "No such container: a/b\x00"),
        ("GET", "/events?since=5&until=1", 400, "`since` time (5) cannot be after `until` time (1)"),
        ("GET", "/events?filters=%7B%22x%22%3A%5B%22y%22%5D%7D", 400, "invalid filter 'x'"),
        ("GET", "/containers/plain/logs", 400, "Bad parameters: you must choose at least one stream"),
        ("POST", "/containers/plain/resize?h=a&w=1", 400, 'strconv.Atoi: parsing "a": invalid syntax'),
        ("POST", "/containers/plain/wait?condition=never", 400, 'invalid condition: "never"'),
        ("GET", "/nodes", 503, 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to '
         "connect this node to swarm and try again."),
        ("POST", "/swarm/leave", 503, "This node is not part of a swarm"),
        ("GET", "/plugins/a/json", 404, 'plugin "a" not found'),
        ("GET", "/volumes/a", 404, "get a: no such volume"),
        ("GET", "/networks/a", 404, "network a not found"),
    ],
)  # fmt: skip
def test_failures_are_dockerd_s_in_status_and_sentence(
    api: Served, method: str, path: str, status: int, sentence: str
) -> None:
    assert api.message(method, path) == (status, sentence)


def test_what_was_not_foreseen_tells_nothing_but_a_number(api: Served) -> None:
    status, sentence = api.message("POST", "/containers/broken/start")
    assert status == 500
    assert "secret" not in sentence
    assert sentence.startswith("internal error: see the daemon's log for ")


def test_start_says_whether_it_was_running(api: Served) -> None:
    assert api.request("POST", "/containers/plain/start")[0] == 204
    assert api.request("POST", "/containers/running/start")[0] == 304


def test_there_are_no_plugins_and_no_volumes(api: Served) -> None:
    assert api.request("GET", "/plugins")[2] == b"[]\n"
    assert api.request("GET", "/volumes")[2] == b'{"Volumes":[],"Warnings":null}\n'
