"""Does `sampan run` send what `docker run` sends? Both talk to a stub that keeps the request and refuses it."""

import json
import re
import shlex
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Client, Result

PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.50\r\nOstype: linux\r\nContent-Length: 0\r\n\r\n"
BODY = b'{"message":"the stub refuses"}'
REFUSED = b"HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker client")


class Stub:
    """Answers pings, keeps every other request, refuses it."""

    def __init__(self, path: Path) -> None:
        self.kept: list[tuple[str, object]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            while line := file.readline():
                length = 0
                while (field := file.readline()) not in (b"\r\n", b""):
                    name, _, value = field.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                body = file.read(length)
                if b"/_ping" in line:
                    connection.sendall(PING)
                else:
                    self.kept.append((line.decode().split()[1], json.loads(body) if body else None))
                    connection.sendall(REFUSED)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stub, Client]]:
    """(the stub, clients that talk to it)."""
    directory = tmp_path_factory.mktemp("stub")
    made = Stub(directory / "s")
    yield made, Client(str(directory / "s"), directory)
    made.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with files for the flags that read some."""
    directory = tmp_path_factory.mktemp("files")
    (directory / "env").write_text("# comment\nA=5\n\nHOME\nB= x y\nSAMPAN_NOT_SET\n")
    (directory / "labels").write_text("L1=2\nL2\n")
    (directory / "seccomp.json").write_text('{"defaultAction": "SCMP_ACT_ALLOW",\n "syscalls": [1, 2]}')
    return directory


ACCEPTED = """
IMAGE
IMAGE true -x --rm
-- IMAGE -x
--rm -d IMAGE
-i IMAGE
-a stdin -a stdout -a STDERR IMAGE
-eA=1 -lb=c -m=6m -id IMAGE
--rm=false --init=false --sig-proxy=false IMAGE
--name w -h hh --domainname dd --rm -e A=1 -e HOME -e SAMPAN_NOT_SET -u 1:2 -w /tmp --entrypoint sh --init --read-only IMAGE true
--entrypoint= -t IMAGE sh
--platform linux/amd64 IMAGE
--env-file FILES/env --label-file FILES/labels -e A=7 -e HOME IMAGE
--cidfile FILES/cid IMAGE
-l x=y -l z -l q= -l x=2 IMAGE
--stop-signal TERM --stop-timeout 3 IMAGE
--stop-signal '' --hostname '' -u '' IMAGE
--restart no IMAGE
--restart always IMAGE
--restart unless-stopped IMAGE
--restart on-failure IMAGE
--restart on-failure:3 IMAGE
--restart always:3 IMAGE
--tmpfs /t:size=1m --tmpfs /u IMAGE
-v /tmp:/m:ro -v /anonymous -v ./a:/b -v named:/c:nocopy,z IMAGE
-v ../x:/y IMAGE
--mount type=tmpfs,dst=/q,tmpfs-size=1m,tmpfs-mode=1770 IMAGE
--mount type=bind,src=/tmp,dst=/t,ro,bind-propagation=rslave IMAGE
--mount type=bind,source=/tmp,target=/t,bind-recursive=readonly,bind-propagation=rprivate,readonly IMAGE
--mount type=bind,src=/a,dst=/b,bind-nonrecursive IMAGE
--mount type=bind,src=./relative,dst=/b,consistency=cached,ro=0 IMAGE
--mount 'type=bind,src=/a,"dst=/b,c"' IMAGE
--mount type=volume,src=vv,dst=/v,volume-label=a=b,volume-opt=x=y,volume-nocopy,volume-driver=local,volume-subpath=s IMAGE
--mount src=vv,target=/v,readonly=false IMAGE
--mount type=volume,dst=/v,volume-nocopy=false IMAGE
--mount type=image,source=busybox,target=/i,image-subpath=etc IMAGE
--volumes-from abc --volume-driver local --storage-opt size=1 --shm-size 8m IMAGE
-p 127.0.0.1:80:80/udp -p 81 -p 82:83 -p 90-92:80-82 -p 7000-7002:7 --expose 99 --expose 100-102/udp -P IMAGE
-p [::1]:80:80 -p 1.2.3.4::5 -p target=80,published=8080,protocol=udp,mode=host IMAGE
-p 0:80 -p 80/TCP IMAGE
--add-host a:1.2.3.4 --add-host b=::1 --add-host c:host-gateway --add-host 'd:[::1]' IMAGE
--dns 1.1.1.1 --dns-search x.y --dns-search . --dns-option ndots:2 --dns-opt z IMAGE
--network none IMAGE
--network host IMAGE
--network bridge IMAGE
--network default IMAGE
--network container:abc IMAGE
--net foo IMAGE
--network name=foo,alias=x,ip=1.2.3.4,driver-opt=a=b,gw-priority=3 --network bar IMAGE
--network name=foo,link-local-ip=169.254.1.1,ip6=::1,mac-address=92:d0:c6:0a:29:33 IMAGE
--network foo --network-alias al --ip 1.2.3.4 --ip6 2001:db8::33 --link-local-ip 169.254.1.1 --mac-address 92:d0:c6:0a:29:33 IMAGE
--mac-address 92:d0:c6:0a:29:33 IMAGE
--mac-address 92:d0:c6:0a:29:33 --network host IMAGE
--ip 1.2.3.4 --link z:y --link zz IMAGE
--link z:y --network foo IMAGE
-m 64m --memory-swap -1 --memory-reservation 1.5g --memory-swappiness 3 --oom-kill-disable --oom-score-adj 5 --pids-limit 40 IMAGE
-m 010 --pids-limit -1 IMAGE
--kernel-memory 4m IMAGE
--cpus 1.5 -c 3 --cpu-period 1000 --cpu-quota 2000 --cpu-rt-period 1 --cpu-rt-runtime 1 --cpuset-cpus 0 --cpuset-mems 0 IMAGE
--blkio-weight 20 --blkio-weight-device /dev/sda:10 --cgroup-parent /x IMAGE
--device-read-bps /dev/sda:1m --device-read-iops /dev/sda:7 --device-write-bps /dev/sda:1kb --device-write-iops /dev/sda:9 IMAGE
--ulimit nofile=10:20 --ulimit core=0 --ulimit nproc=5 --ulimit core=-1 IMAGE
--cap-add net_admin --cap-add CAP_NET_ADMIN --cap-add SYS_TIME --cap-drop all IMAGE
--cap-add all --cap-drop chown --cap-drop ALL IMAGE
--privileged --group-add 3 --group-add x --userns host --cgroupns private IMAGE
--ipc private --pid host --uts host --cgroupns host IMAGE
--pid container:x --ipc container:y IMAGE
--device /dev/null:/dev/zz:r --device /dev/null --device /dev/null:/dev/x --device /dev/null:rw --device-cgroup-rule 'c 1:1 r' IMAGE
--security-opt no-new-privileges --security-opt no-new-privileges:true --security-opt label=disable IMAGE
--security-opt seccomp=unconfined --security-opt systempaths=unconfined --security-opt apparmor:unconfined IMAGE
--security-opt seccomp=FILES/seccomp.json IMAGE
--sysctl net.ipv4.ip_forward=1 --sysctl kernel.sem=1 --runtime runc --isolation default IMAGE
--annotation a=b --annotation c=d=e IMAGE
--gpus all IMAGE
--gpus 2 IMAGE
--gpus device=0,capabilities=utility IMAGE
--gpus '"device=0,1"' IMAGE
--log-driver json-file --log-opt a=b --log-opt c IMAGE
--health-cmd 'x y' --health-interval 3s --health-timeout 1m30s --health-retries 4 --health-start-period 500ms --health-start-interval 2s IMAGE
--health-retries 3 IMAGE
--no-healthcheck IMAGE
"""  # noqa: E501 - a row is a command line
NETWORK = """
create n
create --attachable --internal --ipv6 --label a=b --label c -o x=y --opt z=1 -d macvlan --scope local n
create --ipv4=false --ipv6=false --ingress n
create --subnet 10.1.0.0/16 --subnet fd00::/64 --gateway 10.1.0.9 --ip-range 10.1.4.0/24 --aux-address a=10.1.0.5 n
create --subnet 10.1.0.0/16,10.2.0.0/16 --gateway 10.2.0.1,10.1.0.1 --aux-address a=10.2.0.5 --aux-address b=10.2.0.6 n
create --config-only --subnet 10.1.0.0/16 n
create --config-from other --ipam-driver null --ipam-opt a=b n
connect n c
connect --alias a --alias b --ip 10.1.0.4 --ip6 fd00::4 --link x:y --link z --link-local-ip 169.254.0.4 n c
connect --driver-opt a=b --driver-opt c=d --gw-priority -3 n c
disconnect n c
disconnect -f n c
prune -f
prune -f --filter label=a --filter until=24h
"""
NETWORK_REFUSED_HERE = """
create
create --subnet 10.1.0.0/16 --subnet 10.1.1.0/24 n
create --gateway 10.1.0.1 n
create --subnet 10.1.0.0/16 --gateway 10.2.0.1 n
create --subnet 10.1.0.0/16 --subnet 10.2.0.0/16 --gateway 10.2.0.1 --gateway 10.2.0.2 n
create --subnet 10.1.0.0/16 --subnet 10.2.0.0/16 --ip-range 10.2.1.0/24 --ip-range 10.2.2.0/24 n
create --subnet 10.1.0.0/16 --aux-address a=10.2.0.1 n
create --ipv4=x n
connect n
connect --gw-priority x n c
disconnect n
rm
"""
# Refused before anything is sent, with the exit code of docker.
REFUSED_HERE = """
--bogus IMAGE
-Z IMAGE
--name
--rm=maybe IMAGE
--ulimit nofile=20:10 IMAGE
--ulimit foo=1 IMAGE
-v a:b:c:d:: IMAGE
-v :/x IMAGE
-p 99999:1 IMAGE
-p abc IMAGE
-p 80-82:90-91 IMAGE
--expose 1:2 IMAGE
--pid zzz IMAGE
--uts zzz IMAGE
--userns zzz IMAGE
--cgroupns zzz IMAGE
--add-host foo IMAGE
--dns foo IMAGE
--link a:b:c IMAGE
--memory x IMAGE
--memory-swappiness 101 IMAGE
--shm-size -1 IMAGE
--cpus 0.0000000001 IMAGE
--cpus x IMAGE
--device-read-bps /dev/sda IMAGE
--blkio-weight 70000 IMAGE
--blkio-weight-device sda:10 IMAGE
--mac-address zz IMAGE
--mount type=bind,src=/tmp IMAGE
--mount foo IMAGE
--mount type=bind,src=/a,dst=/b,bind-propagation IMAGE
--security-opt bogus IMAGE
--security-opt seccomp=/nonexistent IMAGE
--log-driver none --log-opt a=b IMAGE
--storage-opt foo IMAGE
--no-healthcheck --health-cmd x IMAGE
--health-interval -1s IMAGE
--health-retries x IMAGE
--restart on-failure:x IMAGE
--rm --restart always IMAGE
--stop-timeout x IMAGE
--device foo IMAGE
--device-cgroup-rule foo IMAGE
--env-file /nonexistent IMAGE
--label-file /nonexistent IMAGE
--network a --network a IMAGE
--network none --network a IMAGE
--network none --network-alias x IMAGE
--network '' IMAGE
--sysctl foo IMAGE
--label =x IMAGE
-e =x IMAGE
-a foo IMAGE
--pull sometimes IMAGE
--gpus foo=1 IMAGE
Busybox
busybox:
a//b
"""


def rows(text: str) -> list[str]:
    """The lines of a table."""
    return [line for line in text.splitlines() if line]


def ask(stub: tuple[Stub, Client], program: str, line: str, files: Path) -> tuple[Result, list[tuple[str, object]]]:
    """What `PROGRAM run LINE` said and sent."""
    return send(stub, program, f"run {line}", files)


def send(stub: tuple[Stub, Client], program: str, line: str, files: Path) -> tuple[Result, list[tuple[str, object]]]:
    """What `PROGRAM LINE` said and sent."""
    kept, clients = stub
    (files / "cid").unlink(missing_ok=True)
    kept.kept.clear()
    words = [word.replace("IMAGE", "busybox").replace("FILES", str(files)) for word in shlex.split(line)]
    result: Result = getattr(clients, program)(*words)
    return result, [(re.sub(r"^/v[0-9.]+/", "/v/", target), in_order(body)) for target, body in kept.kept]


def in_order(body: object) -> object:
    """The body with its binds and variables sorted: docker's client keeps them in maps, in no order."""
    if isinstance(body, dict) and "HostConfig" in body:
        body["Env"] = body["Env"] and sorted(body["Env"])
        binds = body["HostConfig"]["Binds"]
        body["HostConfig"]["Binds"] = binds and sorted(binds)
    return body


@pytest.mark.parametrize("line", rows(ACCEPTED))
def test_the_same_is_sent(stub: tuple[Stub, Client], files: Path, line: str) -> None:
    wanted, got = ask(stub, "docker", line, files), ask(stub, "sampan", line, files)
    assert len(wanted[1]) == 1, wanted
    assert got[1] == wanted[1]
    assert got[0].code == wanted[0].code == 125
    assert "the stub refuses" in got[0].stderr


@pytest.mark.parametrize("line", rows(REFUSED_HERE))
def test_the_same_is_refused(stub: tuple[Stub, Client], files: Path, line: str) -> None:
    wanted, got = ask(stub, "docker", line, files), ask(stub, "sampan", line, files)
    assert got[1] == wanted[1] == []
    assert got[0].code == wanted[0].code
    assert (got[0].stdout, bool(got[0].stderr)) == ("", True)
    assert not (files / "cid").exists()


@pytest.mark.parametrize("line", rows(NETWORK))
def test_the_same_is_sent_about_networks(stub: tuple[Stub, Client], files: Path, line: str) -> None:
    wanted, got = (send(stub, program, f"network {line}", files) for program in ("docker", "sampan"))
    assert len(wanted[1]) == 1, wanted
    assert without_order(got[1]) == without_order(wanted[1])
    assert got[0].code == wanted[0].code == 1


def without_order(kept: list[tuple[str, object]]) -> list[tuple[str, object]]:
    """Docker's client keeps subnets in a map, in no order."""
    for _, body in kept:
        if isinstance(body, dict) and body.get("IPAM"):
            body["IPAM"]["Config"].sort(key=lambda pool: str(pool["Subnet"]))
    return kept


@pytest.mark.parametrize("line", rows(NETWORK_REFUSED_HERE))
def test_the_same_is_refused_about_networks(stub: tuple[Stub, Client], files: Path, line: str) -> None:
    wanted, got = (send(stub, program, f"network {line}", files) for program in ("docker", "sampan"))
    assert got[1] == wanted[1] == []
    assert got[0].code == wanted[0].code
    assert (got[0].stdout, bool(got[0].stderr)) == ("", True)
