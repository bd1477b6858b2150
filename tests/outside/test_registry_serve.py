"""Is `sampan registry serve` a registry as the distribution specification has it?"""

import json
import socket
from collections.abc import Iterator

import pytest

from registry_server import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    RegistryServer,
    describe,
    digest_of,
    manifest,
    random,
)

NAME = "team/app"
CHUNK = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryServer]:
    server = RegistryServer("--metrics-addr", "127.0.0.1:0", "--patience", "1")
    yield server
    server.close()


def begin(registry: RegistryServer, name: str = NAME) -> str:
    """The location of a new upload."""
    answer = registry.ask("POST", f"/v2/{name}/blobs/uploads/")
    assert (answer.status, answer.headers["Range"]) == (202, "0-0")
    return answer.headers["Location"]


def ranged(start: int, data: bytes) -> dict[str, str]:
    return CHUNK | {"Content-Range": f"{start}-{start + len(data) - 1}"}


def test_the_base_says_what_this_is(registry: RegistryServer) -> None:
    answer = registry.ask("GET", "/v2/")
    assert (answer.status, answer.headers["Docker-Distribution-Api-Version"]) == (200, "registry/2.0")
    assert registry.ask("HEAD", "/v2/").status == 200
    assert registry.ask("GET", "/v1/_ping").status == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_blobs_come_in_at_once_in_a_stream_or_in_chunks(registry: RegistryServer, algorithm: str) -> None:
    data = random(300_000)
    digest = digest_of(data, algorithm)
    blob = f"/v2/{NAME}/blobs/{digest}"
    for method in ("GET", "HEAD"):
        assert registry.ask(method, blob).status == 404
    # at once, with POST alone
    answer = registry.ask("POST", f"/v2/{NAME}/blobs/uploads/?digest={digest}", data, CHUNK)
    assert (answer.status, answer.headers["Location"], answer.headers["Docker-Content-Digest"]) == (201, blob, digest)
    assert registry.ask("GET", blob).body == data
    head = registry.ask("HEAD", blob)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "300000", b"")
    assert registry.ask("DELETE", blob).status == 202
    assert (registry.ask("GET", blob).status, registry.ask("DELETE", blob).status) == (404, 404)
    # at once, with POST and PUT
    answer = registry.ask("PUT", f"{begin(registry)}?digest={digest}", data, CHUNK)
    assert (answer.status, answer.headers["Location"]) == (201, blob)
    # in a stream: one PATCH without a range
    location = begin(registry)
    assert registry.ask("PATCH", location, data, CHUNK).status == 202
    assert registry.ask("PUT", f"{location}?digest={digest}").status == 201
    # in chunks, the last one with the PUT
    location = begin(registry)
    first, second, third = data[:100_000], data[100_000:200_000], data[200_000:]
    answer = registry.ask("PATCH", location, first, ranged(0, first))
    assert (answer.status, answer.headers["Range"]) == (202, "0-99999")
    answer = registry.ask("PATCH", answer.headers["Location"], second, ranged(100_000, second))
    assert (answer.status, answer.headers["Range"]) == (202, "0-199999")
    answer = registry.ask("PUT", f"{answer.headers['Location']}?digest={digest}", third, ranged(200_000, third))
    assert (answer.status, answer.headers["Location"]) == (201, blob)
    assert registry.ask("GET", blob).body == data
    assert registry.ask("GET", location).code == "BLOB_UPLOAD_UNKNOWN"


def test_chunks_out_of_order_are_refused_and_say_where_to_go_on(registry: RegistryServer) -> None:
    first, second = random(5000), random(5000)
    location = begin(registry)
    assert registry.ask("PATCH", location, second, ranged(5000, second)).status == 416
    assert registry.ask("PATCH", location, first, ranged(0, first)).status == 202
    for method, query in (("PATCH", ""), ("PUT", f"?digest={digest_of(first + second)}")):
        answer = registry.ask(method, location + query, first, ranged(0, first))
        assert (answer.status, answer.headers["Range"], answer.headers["Location"]) == (416, "0-4999", location)
    answer = registry.ask("GET", location)
    assert (answer.status, answer.headers["Range"], answer.headers["Location"]) == (204, "0-4999", location)
    wrong = registry.ask("PATCH", location, second, CHUNK | {"Content-Range": "5000-5001"})
    assert (wrong.status, wrong.code) == (400, "SIZE_INVALID")
    assert registry.ask("PATCH", location, second, CHUNK | {"Content-Range": "x"}).status == 400
    assert registry.ask("PUT", f"{location}?digest={digest_of(first + second)}", second).status == 201


def test_an_upload_is_cancelled_or_fails_and_leaves_nothing(registry: RegistryServer) -> None:
    files = set(registry.files())
    location = begin(registry)
    registry.ask("PATCH", location, random(1000))
    assert registry.ask("DELETE", location).status == 204
    assert registry.ask("GET", location).status == 404
    location = begin(registry)
    wrong = registry.ask("PUT", f"{location}?digest={digest_of(b'other')}", random(1000))
    assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")
    assert registry.ask("GET", location).status == 404
    for digest in ("", "sha256:totallywrong", "md5:" + "0" * 32, "../../etc/passwd"):
        answer = registry.ask("PUT", f"{begin(registry)}?digest={digest}", b"x")
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert registry.ask("POST", f"/v2/{NAME}/blobs/uploads/?digest={digest_of(b'x')}", b"y").status == 400
    assert registry.ask("PATCH", f"/v2/other/blobs/uploads/{begin(registry).rpartition('/')[2]}", b"x").status == 404
    left = set(registry.files()) - files
    assert all(path.parent.name == "uploads" and path.stat().st_size == 0 for path in left)


def test_a_blob_is_mounted_from_where_it_is(registry: RegistryServer) -> None:
    digest = registry.push_blob(NAME, random(100))
    for query in (f"mount={digest}&from={NAME}", f"mount={digest}"):
        answer = registry.ask("POST", f"/v2/mounted/blobs/uploads/?{query}")
        assert (answer.status, answer.headers["Location"]) == (201, f"/v2/mounted/blobs/{digest}")
        assert registry.ask("DELETE", f"/v2/mounted/blobs/{digest}").status == 202
    assert registry.ask("GET", f"/v2/{NAME}/blobs/{digest}").status == 200
    missing = digest_of(random(10))
    for query in (f"mount={missing}&from={NAME}", f"mount={digest}&from=elsewhere", f"mount={digest}&from=UP"):
        assert registry.ask("POST", f"/v2/mounted/blobs/uploads/?{query}").status == 202


def test_ranges_of_a_blob(registry: RegistryServer) -> None:
    data = random(1000)
    path = f"/v2/{NAME}/blobs/{registry.push_blob(NAME, data)}"
    answer = registry.ask("GET", path, headers={"Range": "bytes=100-199"})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, data[100:200], "bytes 100-199/1000")
    assert registry.ask("GET", path, headers={"Range": "bytes=900-"}).body == data[900:]
    assert registry.ask("GET", path, headers={"Range": "bytes=1000-"}).status == 416
    empty = registry.ask("GET", f"/v2/{NAME}/blobs/{registry.push_blob(NAME, b'')}")
    assert (empty.status, empty.headers["Content-Length"], empty.body) == (200, "0", b"")


def test_manifests_are_what_they_say_and_name_what_is_here(registry: RegistryServer) -> None:
    assert registry.ask("GET", f"/v2/{NAME}/manifests/nosuch").code == "MANIFEST_UNKNOWN"
    assert registry.ask("GET", "/v2/no/such/manifests/x").code == "NAME_UNKNOWN"
    config, layer = random(20), random(50)
    data = manifest(describe(OCI_CONFIG, config), [describe(OCI_LAYER, layer)])
    missing = registry.put_manifest(NAME, "v1", data)
    assert (missing.status, missing.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert registry.ask("GET", f"/v2/{NAME}/manifests/v1").status == 404
    for blob in (config, layer):
        registry.push_blob(NAME, blob)
    for reference in ("v1", digest_of(data), digest_of(data, "sha512")):
        answer = registry.put_manifest(NAME, reference, data)
        assert answer.status == 201, answer
        shown = registry.ask("GET", answer.headers["Location"])
        assert (shown.body, shown.headers["Content-Type"]) == (data, OCI_MANIFEST)
        assert shown.headers["Docker-Content-Digest"] == answer.headers["Docker-Content-Digest"]
        head = registry.ask("HEAD", f"/v2/{NAME}/manifests/{reference}")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(data)))
    tagged = {"If-None-Match": f'"{digest_of(data)}"'}
    assert registry.ask("GET", f"/v2/{NAME}/manifests/v1", headers=tagged).status == 304
    wrong = registry.put_manifest(NAME, digest_of(b"other"), data)
    assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")
    assert registry.put_manifest(NAME, "sha256:totallywrong", data).status == 400
    short = manifest(describe(OCI_CONFIG, config) | {"size": 19}, [])
    assert registry.put_manifest(NAME, "short", short).code == "MANIFEST_INVALID"
    for bad in (b"", b"{", b"[]", b'{"schemaVersion":1}', data.replace(b'"config"', b'"gifnoc"'), b"\xff"):
        assert registry.put_manifest(NAME, "bad", bad).code == "MANIFEST_INVALID"
    assert registry.put_manifest(NAME, "bad", data, OCI_INDEX).status == 400
    assert registry.put_manifest(NAME, "bad", data, "text/plain").status == 400
    assert registry.put_manifest(NAME, "-bad", data).status == 400
    foreign = describe("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", b"else", urls=["https://x/y"])
    assert registry.put_manifest(NAME, "foreign", manifest(describe(OCI_CONFIG, config), [foreign])).status == 201
    large = manifest(describe(OCI_CONFIG, config), [], annotations={f"a{i}": "A" * 10_000 for i in range(390)})
    assert registry.put_manifest(NAME, "large", large).status == 201
    assert registry.put_manifest(NAME, "huge", large + b" " * (1 << 20)).status == 413
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [describe(OCI_MANIFEST, data)]})
    answer = registry.ask(
        "PUT", f"/v2/{NAME}/manifests/{digest_of(index.encode())}?tag=multi&tag=all", index.encode(),
        {"Content-Type": OCI_INDEX},
    )  # fmt: skip
    assert (answer.status, answer.headers.get_all("OCI-Tag")) == (201, ["multi", "all"])  # type: ignore[attr-defined]
    assert registry.ask("GET", f"/v2/{NAME}/manifests/all").headers["Content-Type"] == OCI_INDEX


def test_tags_and_repositories_are_listed_in_pages(registry: RegistryServer) -> None:
    name = "listed/one"
    for tag in ("b", "a", "c", "A1"):
        registry.push_image(name, tag)
    registry.push_image("listed/two", "x")
    assert registry.ask("GET", f"/v2/{name}/tags/list").json == {"name": name, "tags": ["A1", "a", "b", "c"]}
    page = registry.ask("GET", f"/v2/{name}/tags/list?n=2")
    assert page.json["tags"] == ["A1", "a"]
    assert page.headers["Link"] == f'</v2/{name}/tags/list?last=a&n=2>; rel="next"'
    page = registry.ask("GET", page.headers["Link"].split(">")[0][1:])
    assert (page.json["tags"], page.headers["Link"]) == (["b", "c"], None)
    assert registry.ask("GET", f"/v2/{name}/tags/list?last=b").json["tags"] == ["c"]
    assert registry.ask("GET", f"/v2/{name}/tags/list?n=0").json["tags"] == []
    assert registry.ask("GET", f"/v2/{name}/tags/list?n=many").status == 400
    assert registry.ask("GET", "/v2/no/such/tags/list").code == "NAME_UNKNOWN"
    listed = registry.ask("GET", "/v2/_catalog").json["repositories"]
    assert {name, "listed/two"} <= set(listed) and listed == sorted(listed)
    page = registry.ask("GET", "/v2/_catalog?n=1&last=listed/one")
    assert page.json == {"repositories": ["listed/two"]} and "last=listed%2Ftwo" in page.headers["Link"]


def test_referrers_are_found_from_their_subject(registry: RegistryServer) -> None:
    name = "referred"
    image = registry.push_image(name, "v1")
    shown = registry.ask("GET", f"/v2/{name}/manifests/v1")
    subject = describe(OCI_MANIFEST, shown.body)
    assert registry.ask("GET", f"/v2/{name}/referrers/{image}").json["manifests"] == []
    one = manifest(describe(OCI_CONFIG, b"{}"), [], subject=subject, artifactType="a/one", annotations={"k": "v"})
    two = manifest(describe("b/two", b"{}"), [], subject=subject)
    lost = describe(OCI_MANIFEST, random(5))
    three = manifest(describe("b/two", b"{}"), [], subject=lost)
    registry.push_blob(name, b"{}")
    for data, about in ((one, subject), (two, subject), (three, lost)):
        answer = registry.put_manifest(name, digest_of(data), data)
        assert (answer.status, answer.headers["OCI-Subject"]) == (201, about["digest"])
    answer = registry.ask("GET", f"/v2/{name}/referrers/{image}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_INDEX)
    by_digest = {each["digest"]: each for each in answer.json["manifests"]}
    assert by_digest == {
        digest_of(one): describe(OCI_MANIFEST, one, artifactType="a/one", annotations={"k": "v"}),
        digest_of(two): describe(OCI_MANIFEST, two, artifactType="b/two"),
    }
    answer = registry.ask("GET", f"/v2/{name}/referrers/{image}?artifactType=b/two")
    assert ([each["digest"] for each in answer.json["manifests"]], answer.headers["OCI-Filters-Applied"]) == (
        [digest_of(two)],
        "artifactType",
    )
    assert len(registry.ask("GET", f"/v2/{name}/referrers/{lost['digest']}").json["manifests"]) == 1
    assert registry.ask("GET", f"/v2/{name}/referrers/sha256:nothing").status == 400
    registry.ask("DELETE", f"/v2/{name}/manifests/{digest_of(one)}")
    assert len(registry.ask("GET", f"/v2/{name}/referrers/{image}").json["manifests"]) == 1


def test_what_is_deleted_is_gone_and_the_rest_stays(registry: RegistryServer) -> None:
    name = "deleted"
    image = registry.push_image(name, "one")
    registry.push_image(name, "two")
    assert registry.ask("DELETE", f"/v2/{name}/manifests/one").status == 202
    assert registry.ask("GET", f"/v2/{name}/manifests/one").status == 404
    assert registry.ask("DELETE", f"/v2/{name}/manifests/one").status == 404
    assert registry.ask("GET", f"/v2/{name}/manifests/{image}").status == 200
    assert registry.ask("DELETE", f"/v2/{name}/manifests/{image}").status == 202
    assert registry.ask("GET", f"/v2/{name}/manifests/two").status == 404
    assert registry.ask("GET", f"/v2/{name}/tags/list").json["tags"] == []
    assert registry.ask("DELETE", f"/v2/{name}/blobs/{digest_of(b'layer')}").status == 202


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../../etc/blobs/sha256:x", "/v2/UPPER/tags/list", "/v2/a//b/tags/list", "/v2/a/%2e%2e/b/tags/list",
        "/v2/-a/tags/list", "/v2/" + "a/" * 128 + "a/tags/list", "/v2/a%00b/tags/list", "/v2/a%0ab/tags/list",
        "/v2/a/manifests/%2e%2e%2f%2e%2e", "/v2/a/blobs/uploads/..%2f..%2fregistry.db",
    ],
)  # fmt: skip
def test_names_do_not_become_paths(registry: RegistryServer, path: str) -> None:
    answer = registry.ask("GET", path)
    assert answer.status in (400, 404), answer
    assert answer.json["errors"]


def test_what_is_no_http_is_answered_once_and_not_logged(registry: RegistryServer) -> None:
    said = registry.log.read_text().count("Traceback")
    for bad in (b"GET -1 HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET /v2/ HTTP/9.9\r\n\r\n", b"\r\n\r\nX"):
        with socket.create_connection(("127.0.0.1", registry.port), 30) as stranger:
            stranger.sendall(bad)
            stranger.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: stranger.recv(4096), b""))
        # To whom no version could be read, aiohttp answers with the oldest.
        assert not answer or (answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")) and b'"errors"' in answer), bad
    assert registry.log.read_text().count("Traceback") == said


def test_a_client_that_drips_is_cut_off_and_can_go_on(registry: RegistryServer) -> None:
    location = begin(registry)
    with socket.create_connection(("127.0.0.1", registry.port), 30) as slow:
        head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        slow.sendall(head.encode() + b"some bytes")
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")
    assert registry.ask("GET", location).headers["Range"] == "0-9"
    rest = b" and the rest"
    digest = digest_of(b"some bytes" + rest)
    assert registry.ask("PUT", f"{location}?digest={digest}", rest, ranged(10, rest)).status == 201


def test_what_is_counted(registry: RegistryServer) -> None:
    registry.push_image("counted", "x", random(1000))
    text = registry.metrics
    assert 'registry_requests_total{method="PUT",route="manifests",status="201"}' in text
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        assert line.startswith("# ") or float(value) >= 0, line
        assert "/counted" not in name, "labels come from fixed sets"
