"""What if the registry lies, breaks, hangs or sends us elsewhere? Pulls and pushes against a server that does.

Nothing of what it says may become visible, cost more than its bound, or carry credentials to somebody else.
"""

import asyncio
import gzip
import io
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import zstandard
from aiohttp import web

from lying_registry import IMPATIENT, PATIENT, LyingRegistry, Puller, layer, lying_registry, missing, tar_of, within
from sampan.errors import SampanError
from sampan.images.importing import import_tar
from sampan.images.tag import tag as tag_image
from sampan.oci.digest import digest_of
from sampan.oci.media_types import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
)
from sampan.oci.platform import Platform
from sampan.oci.reference import parse_reference
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.settings import HostSettings, Settings
from sampan.wire.filters import Filters

SECONDS = 60
ME = Credentials("me", "hunter2")
MANIFEST = "/v2/app/manifests/1"
Story = Callable[[LyingRegistry, Puller], Awaitable[None]]


@asynccontextmanager
async def stage(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[LyingRegistry, Puller]]:
    """A registry and an engine's images."""
    async with lying_registry() as registry:
        puller = Puller(tmp_path, Settings(**{"patience": PATIENT, "attempts": 3, **settings}))
        try:
            yield registry, puller
        finally:
            await puller.distribution.close()


async def pull(registry: LyingRegistry, puller: Puller, name: str = "app", tag: str = "1", who: Credentials = ANONYMOUS,
               **options: Any) -> None:  # fmt: skip
    await puller.distribution.pull(f"{registry.host}/{name}", tag, who, puller.told.append, **options)


async def refused(registry: LyingRegistry, puller: Puller, who: Credentials = ANONYMOUS) -> str:
    """The sentence with which a pull fails; nothing is listed, and nothing is kept but what can be gone on with."""
    with pytest.raises(SampanError) as caught:
        await pull(registry, puller, who=who)
    assert puller.store.all() == []
    assert [each for each in puller.kept() if "partial" not in each] == []
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def test_an_honest_registry_is_believed(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            digest = registry.add_image("app", "1", [layer(3000), layer(5000, seed=1)])
            await pull(registry, puller)
            [image] = puller.store.all()
            assert sorted(image.repo_digests) == [f"{registry.host}/app@{digest}"]
            assert image.repo_tags == [f"{registry.host}/app:1"]
            assert all(puller.store.layers.verify(each) for each in image.diff_ids)  # type: ignore[attr-defined]
            assert all(puller.store.content.verify(each) for each in puller.store.content.digests())
            assert puller.said[-2:] == [
                f"Digest: {digest}", f"Status: Downloaded newer image for {registry.host}/app:1"
            ]  # fmt: skip
            await pull(registry, puller)
            assert puller.said[-1] == f"Status: Image is up to date for {registry.host}/app:1"
            assert len(registry.asked("GET", "/blobs/")) == 3
            # Back to where it came from and to elsewhere: the same bytes, so the same digests.
            for name in ("app", "other"):
                tag_image(puller.store, f"{registry.host}/app:1", f"{registry.host}/{name}", "2")
                await puller.distribution.push(f"{registry.host}/{name}", "2", ANONYMOUS, puller.told.append)
                assert registry.manifests[f"{name}/2"][1] == registry.manifests["app/1"][1]
            assert registry.asked("PUT", "/blobs/") == []

    within(SECONDS, story())


@pytest.mark.parametrize("kind", ["gzip", "zstd", "plain", "two gzip members"])
def test_every_compression_comes_and_goes_unchanged(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller), lying_registry() as other:
            tar = layer(50_000)
            data = {
                "gzip": gzip.compress(tar, 9), "zstd": zstandard.compress(tar), "plain": tar,
                "two gzip members": gzip.compress(tar[:7000]) + gzip.compress(tar[7000:]),
            }[kind]  # fmt: skip
            media_type = {"zstd": OCI_LAYER_ZSTD, "plain": OCI_LAYER}.get(kind, OCI_LAYER_GZIP)
            registry.add_image("app", "1", [tar])
            described = {"mediaType": media_type, "size": len(data), "digest": registry.add_blob(data)}
            edited(lambda m: m.update(layers=[described], mediaType=OCI_MANIFEST))(registry)
            registry.add_manifest("app", "1", registry.manifests["app/1"][1], OCI_MANIFEST)
            await pull(registry, puller)
            [image] = puller.store.all()
            tag_image(puller.store, image.id, f"{other.host}/app", "1")
            await puller.distribution.push(f"{other.host}/app", "1", ANONYMOUS, puller.told.append)
            assert other.manifests["app/1"] == registry.manifests["app/1"]
            assert other.blobs[digest_of(data)] == data
            assert puller.store.content.has(digest_of(data)) is (kind != "plain"), "what is a tar is kept once"

    within(SECONDS, story())


async def _truncate(registry: LyingRegistry) -> None:
    digest = registry.layer_of("app", "1")
    registry.blobs[digest] = registry.blobs[digest][:-100]


async def _change(registry: LyingRegistry) -> None:
    digest = registry.layer_of("app", "1")
    data = bytearray(registry.blobs[digest])
    data[len(data) // 2] ^= 0xFF
    registry.blobs[digest] = bytes(data)


async def _lengthen(registry: LyingRegistry) -> None:
    digest = registry.layer_of("app", "1")
    registry.blobs[digest] += b"more"


async def _other(registry: LyingRegistry) -> None:
    digest = registry.layer_of("app", "1")
    registry.blobs[digest] = gzip.compress(layer(2999), 1, mtime=0).ljust(len(registry.blobs[digest]), b"\0")


async def _wrong_range(registry: LyingRegistry) -> None:
    digest = registry.layer_of("app", "1")
    data = registry.blobs[digest]

    async def answer(request: web.Request) -> web.StreamResponse:
        if "Range" not in request.headers:
            return await cut(request, data, len(data) // 2)
        headers = {"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"}
        return web.Response(status=206, body=data, headers=headers)

    registry.answers["GET", f"/v2/app/blobs/{digest}"] = answer


async def _encoded(registry: LyingRegistry) -> None:
    digest = registry.layer_of("app", "1")
    body = gzip.compress(registry.blobs[digest])[: len(registry.blobs[digest])]

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    registry.answers["GET", f"/v2/app/blobs/{digest}"] = answer


async def cut(request: web.Request, data: bytes, length: int) -> web.StreamResponse:
    """Promise all of `data`, send `length` bytes, hang up."""
    response = web.StreamResponse(headers={"Content-Length": str(len(data))})
    await response.prepare(request)
    await response.write(data[:length])
    assert request.transport is not None
    request.transport.abort()
    return response


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        (_truncate, "is cut"),
        (_change, "filesystem layer verification failed|invalid gzip"),
        (_lengthen, "for a blob of"),
        (_other, "filesystem layer verification failed|is cut"),
        (_wrong_range, "another range"),
        (_encoded, "is cut|verification failed|invalid"),
    ],
)
def test_other_bytes_are_not_believed(
    tmp_path: Path, lie: Callable[[LyingRegistry], Awaitable[None]], sentence: str
) -> None:
    """D07: nothing is stored, retries are bounded."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer(90_000)])
            await lie(registry)
            said = await refused(registry, puller)
            assert any(word in said for word in sentence.split("|")), said
            assert len(registry.asked("GET", "/blobs/")) <= 1 + 3

    within(SECONDS, story())


def edited(change: Callable[[dict[str, Any]], Any]) -> Callable[[LyingRegistry], None]:
    """A lie in the manifest; the registry delivers it under its own digest."""

    def lie(registry: LyingRegistry) -> None:
        media_type, data = registry.manifests["app/1"]
        document = json.loads(data)
        changed = change(document)
        body = changed if isinstance(changed, bytes) else json.dumps(document).encode()
        registry.add_manifest("app", "1", body, media_type)

    return lie


DUPLICATE = b'{"schemaVersion":2,"schemaVersion":2}'
MANIFEST_LIES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "size": (lambda m: m["layers"][0].update(size=m["layers"][0]["size"] - 1), "for a blob of"),
    "config size": (lambda m: m["config"].update(size=5), "expected 5"),
    "negative size": (lambda m: m["layers"][0].update(size=-1), "whole number"),
    "huge config": (lambda m: m["config"].update(size=1 << 40), "too large"),
    "digest": (lambda m: m["layers"][0].update(digest="sha256:../../../etc/passwd"), "is no digest"),
    "digest case": (lambda m: m["layers"][0].update(digest="sha256:" + "A" * 64), "is no digest"),
    "digest algorithm": (lambda m: m["layers"][0].update(digest="md5:" + "a" * 32), "is no digest"),
    "unknown layer": (lambda m: m["layers"][0].update(mediaType="text/plain"), "unsupported layer media type"),
    "erofs": (lambda m: m["layers"][0].update(mediaType="application/vnd.erofs"), "unsupported layer media type"),
    "artifact": (lambda m: m["config"].update(mediaType="application/vnd.helm"), "no image but an artifact"),
    "no layers": (lambda m: m.update(layers=[]), "layers, its manifest has 0"),
    "more layers": (lambda m: m["layers"].append(m["layers"][0]), "layers, its manifest has 2"),
    "both": (lambda m: m.update(manifests=[]), "both an image and an index"),
    "schema 1": (lambda m: m.update(schemaVersion=1), "schemaVersion must be 2"),
    "mediaType": (lambda m: m.update(mediaType=OCI_MANIFEST), "but was delivered as"),
    "duplicate keys": (lambda m: DUPLICATE, "duplicate key"),
    "deep": (lambda m: b"[" * 100_000, "nested more than"),
    "not JSON": (lambda m: b"<html>", "not valid JSON"),
    "not UTF-8": (lambda m: b'{"schemaVersion":2,"x":"\xff"}', "not UTF-8"),
    "a million layers": (lambda m: m.update(layers=[{}] * 1_000_000), "at most 500"),
    "two million layers": (lambda m: m.update(layers=[{}] * 2_000_000), "larger than the limit"),
    "ten thousand layers": (lambda m: m.update(layers=m["layers"] * 10_000), "at most 500|layers"),
    "null": (lambda m: b"null", "must be an object"),
}


@pytest.mark.parametrize("name", MANIFEST_LIES)
def test_a_manifest_that_lies_is_refused(tmp_path: Path, name: str) -> None:
    """C18, C21, D05, D06, D11."""
    change, sentence = MANIFEST_LIES[name]

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer()])
            edited(change)(registry)
            said = await refused(registry, puller)
            assert any(word in said for word in sentence.split("|")), said

    within(SECONDS, story())


def test_a_document_must_be_what_it_is_delivered_as(tmp_path: Path) -> None:
    """D05: CVE-2021-41190. One digest, two media types: never two meanings."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer()])
            _, data = registry.manifests["app/1"]
            for media_type in (DOCKER_INDEX, OCI_INDEX, OCI_MANIFEST, "application/vnd.custom"):
                registry.add_manifest("app", "1", data, media_type)
                assert "delivered as" in await refused(registry, puller)

    within(SECONDS, story())


def test_a_digest_is_what_was_asked_for(tmp_path: Path) -> None:
    """D07, D12: by digest, nothing else is taken, whatever the registry calls it."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            good, bad = (registry.add_image("app", tag, [layer(seed=int(tag))]) for tag in ("1", "2"))
            registry.manifests[f"app/{good}"] = registry.manifests[f"app/{bad}"]
            with pytest.raises(SampanError, match="manifest verification failed"):
                await pull(registry, puller, tag=good)

            async def boast(request: web.Request) -> web.StreamResponse:
                media_type, data = registry.manifests["app/1"]
                return web.Response(body=data, headers={"Content-Type": media_type, "Docker-Content-Digest": bad})

            registry.answers["GET", MANIFEST] = boast
            assert "manifest verification failed" in await refused(registry, puller)

    within(SECONDS, story())


def test_a_layer_must_be_the_one_of_the_config(tmp_path: Path) -> None:
    """P8: the manifest's blobs are right, the config names other layers."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer()], rootfs={"type": "layers", "diff_ids": ["sha256:" + "a" * 64]})
            assert "layer verification failed" in await refused(registry, puller)

    within(SECONDS, story())


def test_what_another_repository_has_is_no_answer(tmp_path: Path) -> None:
    """D09: a digest that is here already must still be in the repository that is asked for."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            digest = registry.add_image("mine", "1", [layer()])
            await pull(registry, puller, "mine")
            with pytest.raises(SampanError, match="not found"):
                await pull(registry, puller, "other", digest)
            assert [each.repo_digests for each in puller.store.all()] == [[f"{registry.host}/mine@{digest}"]]

    within(SECONDS, story())


def test_the_platform_decides_and_every_choice_is_pinned(tmp_path: Path) -> None:
    """D12: indexes, nested and not, with variants."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            entries = []
            for number, platform in enumerate([("arm", "v6"), ("arm", "v7"), ("amd64", ""), ("arm64", "")]):
                architecture, variant = platform
                digest = registry.add_image("app", f"p{number}", [layer(seed=number)], architecture=architecture)
                size = len(registry.manifests[f"app/{digest}"][1])
                described = {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}
                entries.append({"mediaType": DOCKER_MANIFEST, "digest": digest, "size": size, "platform": described})
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
            digest = registry.add_manifest("app", "1", json.dumps(index).encode(), OCI_INDEX)
            for wanted, number in (("arm", 1), ("arm64", 3)):
                await pull(registry, puller, platform=Platform("linux", wanted, "v7" if wanted == "arm" else ""))
                image = puller.store.find(f"{registry.host}/app:1")
                assert image.manifest == entries[number]["digest"]
                assert f"{registry.host}/app@{digest}" in image.repo_digests
            with pytest.raises(SampanError, match="no matching manifest for linux/s390x"):
                await pull(registry, puller, platform=Platform("linux", "s390x"))
            inner = digest
            for depth in range(6):
                nested = {**index, "manifests": [{**entries[2], "digest": inner, "mediaType": OCI_INDEX}]}
                inner = registry.add_manifest("app", f"deep{depth}", json.dumps(nested).encode(), OCI_INDEX)
            with pytest.raises(SampanError, match="nested too deeply"):
                await pull(registry, puller, tag="deep5", platform=Platform("linux", "amd64"))

    within(SECONDS, story())


def test_a_broken_line_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    """C22: within one pull, with and without ranges, and by the next pull."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer(400_000)], compress=False)
            digest = registry.layer_of("app", "1")
            data = registry.blobs[digest]
            ranges: list[str] = []

            async def breaks(request: web.Request) -> web.StreamResponse:
                ranges.append(request.headers.get("Range", ""))
                del registry.answers["GET", f"/v2/app/blobs/{digest}"]
                return await cut(request, data, 100_000)

            registry.answers["GET", f"/v2/app/blobs/{digest}"] = breaks
            await pull(registry, puller)
            assert any(each.startswith("Retrying in") for each in puller.said)
            assert puller.store.layers.verify(puller.store.all()[0].diff_ids[0])  # type: ignore[attr-defined]

    within(SECONDS, story())


def test_the_next_pull_goes_on(tmp_path: Path) -> None:
    """C22: what an interrupted pull left is hashed again; when it is not right, nothing of it is believed."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer(600_000)])
            digest = registry.layer_of("app", "1")
            data = registry.blobs[digest]
            path = ("GET", f"/v2/app/blobs/{digest}")

            async def breaks(request: web.Request) -> web.StreamResponse:
                return await cut(request, data, len(data) // 2)

            registry.answers[path] = breaks
            await refused(registry, puller)
            [partial] = (tmp_path / "content" / "partial").iterdir()
            assert 0 < partial.stat().st_size < len(data)
            del registry.answers[path]
            partial.write_bytes(b"x" + partial.read_bytes()[1:])
            assert "verification failed" in await refused(registry, puller)
            assert puller.kept() == []
            registry.answers[path] = breaks
            await refused(registry, puller)
            del registry.answers[path]
            registry.requests.clear()
            await pull(registry, puller)
            assert puller.store.content.verify(digest)
            assert not list((tmp_path / "content" / "partial").iterdir())

    within(SECONDS, story())


def test_fifty_pulls_make_one_transfer(tmp_path: Path) -> None:
    """C22: one writer for a blob, however many pulls want it, and faulty ranges on the way."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            shared = layer(300_000)
            for number in range(10):
                registry.add_image(f"app{number}", "1", [shared, layer(seed=number)])
            digest = registry.layer_of("app0", "1")
            faults = iter(range(2))

            def guard(request: web.Request) -> web.Response | None:
                if request.path.endswith(digest) and request.method == "GET" and next(faults, None) is not None:
                    return web.Response(status=503)
                return None

            registry.guard = guard
            await asyncio.gather(*(pull(registry, puller, f"app{number % 10}") for number in range(50)))
            assert len(puller.store.all()) == 10
            assert all(puller.store.content.verify(each) for each in puller.store.content.digests())
            assert len(registry.asked("GET", digest)) == 3

    within(60, story())


@pytest.mark.parametrize("where", [MANIFEST, "config", "layer"])
@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_registry_that_does_not_answer_is_left(tmp_path: Path, where: str, how: str) -> None:
    """D11: idle, or a byte now and then: an error within a bound."""

    async def story() -> None:
        async with stage(tmp_path, patience=IMPATIENT) as (registry, puller):
            registry.add_image("app", "1", [layer(300_000)])
            document = json.loads(registry.manifests["app/1"][1])
            digest = document["config"]["digest"] if where == "config" else document["layers"][0]["digest"]

            async def slow(request: web.Request) -> web.StreamResponse:
                response = web.StreamResponse(headers={"Content-Length": "100000"})
                await response.prepare(request)
                while True:
                    if how == "drip":
                        await response.write(b"x")
                    await asyncio.sleep(0.1)

            registry.answers["GET", where if where == MANIFEST else f"/v2/app/blobs/{digest}"] = slow
            said = await refused(registry, puller)
            assert "in time" in said or "slowly" in said or "for a blob of" in said, said

    within(SECONDS, story())


def test_a_manifest_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    """D11: announced or not, the limit holds."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer()])
            sent = 0

            async def endless(request: web.Request) -> web.StreamResponse:
                nonlocal sent
                response = web.StreamResponse(headers={"Content-Type": DOCKER_MANIFEST})
                await response.prepare(request)
                for _ in range(1024):
                    await response.write(b" " * (1 << 20))
                    sent += 1
                return response

            registry.answers["GET", MANIFEST] = endless
            assert "larger than the limit" in await refused(registry, puller)
            assert sent < 64

            async def announced(request: web.Request) -> web.StreamResponse:
                response = web.StreamResponse(headers={"Content-Length": str(1 << 30)})
                await response.prepare(request)
                return response

            registry.answers["GET", MANIFEST] = announced
            assert "larger than the limit" in await refused(registry, puller)

    within(SECONDS, story())


@pytest.mark.parametrize("headers", [{"X-Flood": "x" * 100_000}, {f"X-{n}": "y" for n in range(500)}])
def test_a_flood_of_headers_is_an_error(tmp_path: Path, headers: dict[str, str]) -> None:
    """D11."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):

            async def flood(request: web.Request) -> web.StreamResponse:
                return web.Response(body=b"{}", headers=headers)

            registry.answers["GET", MANIFEST] = flood
            await refused(registry, puller)

    within(SECONDS, story())


def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    """D11."""

    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer()])

            async def around(request: web.Request) -> web.StreamResponse:
                return web.Response(status=307, headers={"Location": MANIFEST})

            registry.answers["GET", MANIFEST] = around
            assert "stopped after 10 redirects" in await refused(registry, puller)
            assert len(registry.asked("GET", MANIFEST)) == 11

    within(SECONDS, story())


def basic_guard(request: web.Request) -> web.Response | None:
    """A registry that wants a password."""
    if request.headers.get("Authorization"):
        return None
    return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_do_not_follow_a_redirect(tmp_path: Path, status: int) -> None:
    """D01, D02: blobs are at another origin; it gets the request, and no secret."""

    async def story() -> None:
        async with AsyncExitStack() as stack:
            registry, puller = await stack.enter_async_context(stage(tmp_path))
            store = await stack.enter_async_context(lying_registry())
            registry.add_image("app", "1", [layer()])
            store.blobs = dict(registry.blobs)
            registry.guard = basic_guard
            for digest in list(registry.blobs):

                async def elsewhere(request: web.Request) -> web.StreamResponse:
                    return web.Response(status=status, headers={"Location": f"{store.url}{request.path}"})

                registry.answers["GET", f"/v2/app/blobs/{digest}"] = elsewhere
            await pull(registry, puller, who=ME)
            assert len(store.asked("GET", "/blobs/")) == 2
            assert store.secrets_seen == []
            assert registry.secrets_seen

    within(SECONDS, story())


def test_an_upload_that_goes_on_elsewhere_gets_no_credentials(tmp_path: Path) -> None:
    """D02: the Location of an upload."""

    async def story() -> None:
        async with AsyncExitStack() as stack:
            registry, puller = await stack.enter_async_context(stage(tmp_path))
            store = await stack.enter_async_context(lying_registry())
            registry.add_image("app", "1", [layer()])
            await pull(registry, puller)
            [image] = puller.store.all()
            registry.blobs.clear()
            registry.guard = basic_guard

            async def elsewhere(request: web.Request) -> web.StreamResponse:
                store.uploads[str(len(store.uploads))] = bytearray()
                where = f"{store.url}/v2/app/blobs/uploads/{len(store.uploads) - 1}?state=1"
                return web.Response(status=202, headers={"Location": where})

            registry.answers["POST", "/v2/app/blobs/uploads/"] = elsewhere
            await puller.distribution.push(f"{registry.host}/app", "1", ME, puller.told.append)
            assert {image.id} < set(store.blobs)
            assert store.secrets_seen == []

    within(SECONDS, story())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_token_server_elsewhere_gets_no_credentials(tmp_path: Path, scheme: str) -> None:
    """D03: the realm of another origin."""

    async def story() -> None:
        async with AsyncExitStack() as stack:
            registry, puller = await stack.enter_async_context(stage(tmp_path))
            thief = await stack.enter_async_context(lying_registry())

            def guard(request: web.Request) -> web.Response:
                realm = f'Bearer realm="{scheme}://{thief.host}/token",service="s"'
                return web.Response(status=401, headers={"WWW-Authenticate": realm})

            registry.guard = guard
            assert "refused" in await refused(registry, puller, who=ME)
            assert thief.requests == []
            assert registry.secrets_seen == []

    within(SECONDS, story())


def test_a_bearer_token_lets_in(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer()])

            def guard(request: web.Request) -> web.Response | None:
                if request.path == "/token":
                    good = request.headers.get("Authorization") == ME.basic
                    return web.json_response({"token": "t0ken"} if good else {}, status=200 if good else 401)
                if request.headers.get("Authorization") == "Bearer t0ken":
                    return None
                realm = f'Bearer realm="{registry.url}/token",service="s"'
                return web.Response(status=401, headers={"WWW-Authenticate": realm})

            registry.guard = guard
            assert await refused(registry, puller, Credentials("me", "wrong")) == (
                "unauthorized: incorrect username or password"
            )
            await pull(registry, puller, who=ME)
            [token] = [each for each in registry.asked("GET", "/token") if each.authorization == ME.basic]
            assert "scope=repository%3Aapp%3Apull" in token.query or "repository:app:pull" in token.query
            # Everything else is asked with the token alone.
            assert {each.authorization for each in registry.requests if each.path != "/token"} == {"", "Bearer t0ken"}

    within(SECONDS, story())


def test_a_login_may_give_an_identity_token(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer()])
            forms: list[dict[str, str]] = []

            async def token(request: web.Request) -> web.StreamResponse:
                if request.method == "POST":
                    forms.append({key: str(value) for key, value in (await request.post()).items()})
                good = request.method == "POST" or request.headers.get("Authorization") == ME.basic
                answer = {"access_token": "t", "refresh_token": "identity"} if good else {}
                return web.json_response(answer, status=200 if good else 401)

            def guard(request: web.Request) -> web.Response | None:
                if request.headers.get("Authorization") == "Bearer t":
                    return None
                realm = f'Bearer realm="{registry.url}/token",service="s"'
                return web.Response(status=401, headers={"WWW-Authenticate": realm})

            registry.guard = guard
            registry.answers["GET", "/token"] = registry.answers["POST", "/token"] = token
            login = Credentials(ME.username, ME.password, server=registry.host)
            assert await puller.distribution.log_in(login) == "identity"
            with pytest.raises(SampanError, match="incorrect username or password"):
                await puller.distribution.log_in(Credentials("me", "wrong", server=registry.host))
            await pull(registry, puller, who=Credentials(identity_token="identity"))
            [form] = forms
            assert (form["grant_type"], form["refresh_token"]) == ("refresh_token", "identity")

    within(SECONDS, story())


def test_a_proxy_is_gone_through(tmp_path: Path) -> None:
    async def story() -> None:
        async with lying_registry() as proxy:
            settings = Settings(
                patience=PATIENT,
                attempts=1,
                insecure=("registry.invalid",),
                http_proxy=proxy.url,
                no_proxy="b.invalid",
            )
            puller = Puller(tmp_path, settings)
            proxy.add_image("app", "1", [layer()])
            await puller.distribution.pull("registry.invalid/app", "1", ANONYMOUS, puller.told.append)
            assert len(puller.store.all()) == 1
            assert proxy.asked("GET", "/blobs/")
            with pytest.raises(SampanError, match=r"lookup b\.invalid: no such host"):
                await puller.distribution.pull("b.invalid/app", "1", ANONYMOUS, puller.told.append)
            await puller.distribution.close()

    within(SECONDS, story())


def test_mirrors_come_first_without_credentials_and_are_left_when_they_fail(tmp_path: Path) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            mirror = await stack.enter_async_context(lying_registry())
            registry = await stack.enter_async_context(lying_registry())
            hosts = {registry.host: HostSettings(mirrors=(mirror.url,))}
            puller = Puller(tmp_path, Settings(patience=PATIENT, attempts=2, hosts=hosts))
            stack.push_async_callback(puller.distribution.close)
            for each in (mirror, registry):
                each.add_image("app", "1", [layer(9000)])
            await pull(registry, puller, who=ME)
            assert len(mirror.asked("GET", "/blobs/")) == 2
            assert registry.requests == []
            assert mirror.secrets_seen == []
            # A mirror that has the manifest and not the layers, and one that has nothing.
            registry.add_image("app", "2", [layer(9001)])
            mirror.manifests["app/2"] = registry.manifests["app/2"]
            await pull(registry, puller, tag="2")
            registry.add_image("app", "3", [layer(9002)])
            await pull(registry, puller, tag="3")
            assert len(puller.store.all()) == 3

    within(SECONDS, story())


def test_a_rate_limit_is_waited_for_and_explained(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer()])

            async def limited(request: web.Request) -> web.StreamResponse:
                body = {"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}]}
                headers = {"Retry-After": "7", "RateLimit-Limit": "100;w=21600"}
                return web.json_response(body, status=429, headers=headers)

            registry.answers["GET", MANIFEST] = limited
            said = await refused(registry, puller)
            assert said.startswith("toomanyrequests: You have reached your pull rate limit.")
            assert "100;w=21600" in said
            assert "wait 7 seconds" in said

    within(SECONDS, story())


def test_foreign_layers_are_not_fetched_from_their_urls(tmp_path: Path) -> None:
    """D01, D08: CVE-2020-15157. The URLs of a layer are nobody's business."""

    async def story() -> None:
        async with AsyncExitStack() as stack:
            registry, puller = await stack.enter_async_context(stage(tmp_path))
            sentinel = await stack.enter_async_context(lying_registry())
            registry.add_image("app", "1", [layer()])
            foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
            digest = registry.layer_of("app", "1")
            edited(lambda m: m["layers"][0].update(mediaType=foreign, urls=[f"{sentinel.url}/layer"]))(registry)
            data = registry.blobs.pop(digest)
            await refused(registry, puller)
            assert sentinel.requests == []
            registry.blobs[digest] = data
            await pull(registry, puller)
            assert sentinel.requests == []

    within(SECONDS, story())


def test_all_tags_are_pulled_and_a_list_without_end_is_bounded(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            for number in range(3):
                registry.add_image("app", f"v{number}", [layer(seed=number)])
            await puller.distribution.pull(f"{registry.host}/app", "", ANONYMOUS, puller.told.append)
            assert len(puller.store.all()) == 3
            with pytest.raises(SampanError, match="name unknown"):
                await puller.distribution.pull(f"{registry.host}/none", "", ANONYMOUS, puller.told.append)
            tags = "/v2/app/tags/list"

            async def endless(request: web.Request) -> web.StreamResponse:
                body = {"name": "app", "tags": ["v0"] * 5000}
                return web.json_response(body, headers={"Link": f'<{tags}?last=x>; rel="next"'})

            registry.answers["GET", tags] = endless
            registry.requests.clear()
            sources = await puller.distribution.registries.sources(puller.store.all()[0].references[0], ANONYMOUS)
            assert len(await sources[-1].tags()) == 10_000
            assert len(registry.asked("GET", tags)) == 2

    within(SECONDS, story())


def test_a_pull_that_is_broken_off_leaves_nothing_listed(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer(300_000)])
            digest = registry.layer_of("app", "1")
            begun = asyncio.Event()

            async def slow(request: web.Request) -> web.StreamResponse:
                response = web.StreamResponse(headers={"Content-Length": str(len(registry.blobs[digest]))})
                await response.prepare(request)
                await response.write(registry.blobs[digest][:2000])
                begun.set()
                await asyncio.sleep(60)
                return response

            registry.answers["GET", f"/v2/app/blobs/{digest}"] = slow
            pulling = asyncio.create_task(pull(registry, puller))
            await begun.wait()
            pulling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await pulling
            assert puller.store.all() == []
            assert [each for each in puller.kept() if "partial" not in each] == []
            del registry.answers["GET", f"/v2/app/blobs/{digest}"]
            await pull(registry, puller)
            assert puller.store.content.verify(digest)

    within(SECONDS, story())


def test_what_was_made_here_is_compressed_once_and_remembered(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            data = layer(200_000)
            image = import_tar(puller.store, io.BytesIO(data), parse_reference(f"{registry.host}/app:1"))
            await puller.distribution.push(f"{registry.host}/app", "1", ANONYMOUS, puller.told.append)
            assert "Pushed" in puller.said
            assert digest_of(gzip.decompress(registry.blobs[registry.layer_of("app", "1")])) == image.diff_ids[0]
            assert puller.told[-1]["aux"]["Digest"] == digest_of(registry.manifests["app/1"][1])
            registry.requests.clear()
            await puller.distribution.push(f"{registry.host}/app", "1", ANONYMOUS, puller.told.append)
            assert "Layer already exists" in puller.said
            assert registry.asked("PATCH", "/") == []
            # Another registry, to be pulled from again: the same image.
            async with lying_registry() as other:
                tag_image(puller.store, image.id, f"{other.host}/app", "1")
                await puller.distribution.push(f"{other.host}/app", "1", ANONYMOUS, puller.told.append)
                assert other.manifests["app/1"] == registry.manifests["app/1"]

    within(SECONDS, story())


def test_a_push_that_fails_shows_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            import_tar(puller.store, io.BytesIO(layer(50_000)), parse_reference(f"{registry.host}/app:1"))
            fails = iter(range(2))

            def guard(request: web.Request) -> web.Response | None:
                if request.method == "PATCH" and next(fails, None) is not None:
                    return web.Response(status=500)
                return None

            registry.guard = guard
            await puller.distribution.push(f"{registry.host}/app", "1", ANONYMOUS, puller.told.append)
            assert any(each.startswith("Retrying") for each in puller.said)
            assert "app/1" in registry.manifests
            registry.guard = lambda request: web.Response(status=403) if request.method == "POST" else None
            registry.blobs.clear()
            registry.manifests.clear()
            with pytest.raises(SampanError, match="denied: requested access to the resource is denied"):
                await puller.distribution.push(f"{registry.host}/app", "1", ANONYMOUS, puller.told.append)
            assert registry.manifests == {}

    within(SECONDS, story())


def test_what_a_registry_has_is_described_and_searched(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            distribution = puller.distribution
            digest = registry.add_image("app", "1", [layer()], architecture="arm64", variant="v8")
            size = len(registry.manifests["app/1"][1])
            assert await distribution.inspect(f"{registry.host}/app:1", ANONYMOUS) == {
                "Descriptor": {"mediaType": DOCKER_MANIFEST, "digest": digest, "size": size},
                "Platforms": [{"architecture": "arm64", "os": "linux"}],
            }  # fmt: skip
            with pytest.raises(SampanError, match=r"^manifest unknown: manifest unknown$"):
                await distribution.inspect(f"{registry.host}/app:2", ANONYMOUS)
            with pytest.raises(SampanError, match="has no search"):
                await distribution.search(f"{registry.host}/app", None, Filters(), ANONYMOUS)
            results = [
                {"name": f"app{number}", "description": "d", "star_count": number, "is_official": number == 1}
                for number in range(5)
            ]

            async def search(request: web.Request) -> web.StreamResponse:
                assert (request.query["q"], request.query["n"]) == ("team/app", "25")
                return web.json_response({"num_results": 5, "results": results})

            registry.answers["GET", "/v1/search"] = search

            async def found(**terms: tuple[str, ...]) -> list[str]:
                filters = Filters({name.replace("_", "-"): values for name, values in terms.items()})
                listed = await distribution.search(f"{registry.host}/team/app", None, filters, ANONYMOUS)
                return [each["name"] for each in listed]

            assert len(await found()) == 5
            assert await found(stars=("3",)) == ["app3", "app4"]
            assert await found(is_official=("true",)) == ["app1"]
            for term, limit in (("a", 0), ("a", 101), ("http://a/b", 5)):
                with pytest.raises(SampanError):
                    await distribution.search(term, limit or -1, Filters(), ANONYMOUS)

    within(SECONDS, story())


def test_a_registry_that_takes_nothing_is_left(tmp_path: Path) -> None:
    """D11: an upload that does not move is an error within a bound, not a hang."""

    async def story() -> None:
        async with stage(tmp_path, patience=IMPATIENT, attempts=1) as (registry, puller):
            noise = random.Random(1).randbytes(16 << 20)  # more than the kernel keeps for a reader that is asleep
            import_tar(puller.store, io.BytesIO(tar_of(noise)), parse_reference(f"{registry.host}/app:1"))

            async def deaf(request: web.Request) -> web.StreamResponse:
                await asyncio.sleep(30)
                return web.Response(status=202)

            registry.answers["PATCH", "/v2/app/blobs/uploads/0"] = deaf
            with pytest.raises(SampanError, match=r"nothing moves any more|did not answer in time"):
                await puller.distribution.push(f"{registry.host}/app", "1", ANONYMOUS, puller.told.append)
            assert registry.manifests == {}

    within(SECONDS, story())


def test_a_document_is_asked_for_again_when_the_server_stumbles(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            registry.add_image("app", "1", [layer()])
            stumbles = iter(range(4))

            def guard(request: web.Request) -> web.Response | None:
                is_document = "/manifests/" in request.path or (request.method == "GET" and "/blobs/" in request.path)
                if is_document and next(stumbles, 1) % 2 == 0:
                    return web.Response(status=502)
                return None

            registry.guard = guard
            await pull(registry, puller)
            stumbles = iter(range(4))
            await puller.distribution.push(f"{registry.host}/app", "1", ANONYMOUS, puller.told.append)
            assert len(registry.asked("PUT", "/manifests/")) == 2

    within(SECONDS, story())


def test_errors_of_a_registry_become_dockers_sentences(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (registry, puller):
            name = f"{registry.host}/app"
            assert await refused(registry, puller) == (
                f"manifest for {name}:1 not found: manifest unknown: manifest unknown"
            )
            basic = {"WWW-Authenticate": "Basic"}
            denied = f"pull access denied for {name}, repository does not exist or may require"
            for status, headers, sentence in (
                (404, {}, f"repository {name} not found: name unknown: name unknown"),
                (403, {}, denied),
                (500, {}, "received unexpected HTTP status: 500 Internal Server Error"),
                (401, basic, f'Head "{registry.url}{MANIFEST}": no basic auth credentials'),
            ):

                async def lie(
                    request: web.Request, status: int = status, headers: dict[str, str] = headers
                ) -> web.StreamResponse:
                    return missing("NAME_UNKNOWN") if status == 404 else web.Response(status=status, headers=headers)

                registry.answers["GET", MANIFEST] = lie
                assert (await refused(registry, puller)).startswith(sentence)

    within(SECONDS, story())
