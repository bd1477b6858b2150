"""Does the resolver answer 10,000 questions a second for ten seconds, and the API meanwhile?

    bench/names.py [--rate 10000] [--seconds 10] [--names 50]

An engine of its own, a network with that many containers, and a client inside the namespace of one of them that asks
for all their names (A and AAAA in turn) at the rate given, whatever comes back. Printed: how many questions were
answered, how long an answer took, and how long `GET /containers/json` took meanwhile. Root.
"""

import argparse
import http.client
import os
import select
import socket
import statistics
import sys
import threading
import time
from pathlib import Path

import dns.message

from sampan.linux import netns

TOOLS = Path(__file__).resolve().parents[1] / "tools"
IMAGE = "bench:latest"
BURST = 20  # questions sent at once; a hundred bursts are still 500 a second


class Api(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def watch_api(path: str, ends: threading.Event, took: list[float]) -> None:
    """Ask for the list of containers, again and again."""
    while not ends.wait(0.05):
        before = time.monotonic()
        api = Api(path)
        api.request("GET", "/containers/json")
        api.getresponse().read()
        api.close()
        took.append(time.monotonic() - before)


def ask(namespace: int, names: list[str], rate: int, seconds: float) -> tuple[int, list[float]]:
    """How many were asked, and how long each answer took."""
    sock = netns.inside(namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    sock.connect(("127.0.0.11", 53))
    sock.setblocking(False)
    questions = [
        dns.message.make_query(name, kind, use_edns=0).to_wire()[2:] for name in names for kind in ("A", "AAAA")
    ]
    sent_at = [0.0] * (1 << 16)
    took: list[float] = []

    def receive(wait: float) -> None:
        if wait > 0:
            select.select([sock], [], [], wait)
        now = time.monotonic()
        try:
            while True:
                answer = sock.recv(512)
                took.append(now - sent_at[answer[0] << 8 | answer[1]])
        except BlockingIOError:
            return

    begin = time.monotonic()
    asked = 0
    while (now := time.monotonic()) < begin + seconds:
        due = int((now - begin) * rate)
        for _ in range(min(due - asked, BURST)):
            number = asked & 0xFFFF
            sent_at[number] = now
            sock.send(number.to_bytes(2, "big") + questions[asked % len(questions)])
            asked += 1
        receive((asked + BURST) / rate - (time.monotonic() - begin) if due - asked < BURST else 0)
    deadline = time.monotonic() + 5
    while len(took) < asked and time.monotonic() < deadline:
        receive(0.1)
    return asked, took


def main() -> None:
    """Set up, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--names", type=int, default=50)
    options = parser.parse_args()
    sys.path.insert(0, str(TOOLS))
    from engine import Engine

    engine = Engine(bridge="")
    try:
        engine.start()
        made = engine.sampan("image", "from-host", "-t", IMAGE)
        assert made.code == 0, made.stderr
        engine.docker("network", "create", "--subnet", "10.67.0.0/16", "n")
        names = [f"c{number}" for number in range(options.names)]
        for name in names:
            done = engine.docker("run", "-d", "--name", name, "--network", "n", IMAGE, "sleep", "1000")
            assert done.code == 0, done.stderr
        pid = engine.docker("inspect", "--format", "{{.State.Pid}}", "c0").stdout.strip()
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        ends, api_took = threading.Event(), list[float]()
        watcher = threading.Thread(target=watch_api, args=(engine.socket, ends, api_took))
        watcher.start()
        asked, took = ask(namespace, names, options.rate, options.seconds)
        ends.set()
        watcher.join()
        os.close(namespace)
        print(f"asked {asked} in {options.seconds:.0f} s ({asked / options.seconds:.0f}/s), answered {len(took)}")
        print(f"answers: {milliseconds(took)}")
        print(f"GET /containers/json meanwhile ({len(api_took)} times): {milliseconds(api_took)}")
    finally:
        engine.close()


def milliseconds(took: list[float]) -> str:
    """Median, 99th percentile and worst."""
    ordered = sorted(took)
    middle, late, last = statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1]
    return f"median {middle * 1000:.2f} ms, 99% {late * 1000:.2f} ms, worst {last * 1000:.1f} ms"


if __name__ == "__main__":
    main()
