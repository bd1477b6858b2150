"""What do the packet filter's sets hold, and how are they kept true?

Each network and each endpoint owns some elements. What they are is remembered here, so that everything can be put back
in one transaction: at start-up, when it makes the kernel equal to the rows without a moment in which nothing holds, and
when somebody has flushed the tables (`watch.py`). Calls wait for the kernel and may come from any thread.
"""

import errno
import logging
import threading
from collections.abc import Iterable, Sequence

from sampan.linux import nftables
from sampan.linux.nftables import Batch, Family
from sampan.networks import ruleset
from sampan.networks.ruleset import PORT_SETS, TABLE

Element = tuple[str, bytes, bytes]
"""The set's name, the key, and the data, b"" where the set is no map."""

_PORT_SET_NAMES = frozenset(made.name for made in PORT_SETS)

log = logging.getLogger(__name__)


class Firewall:
    """The elements of one engine, by owner."""

    def __init__(self, *, active: bool = True) -> None:
        """Not `active`: the administrator does it all (dockerd's --iptables=false)."""
        self.active = active
        self._owned: dict[str, tuple[Element, ...]] = {}
        self._lock = threading.Lock()
        self._is_there = False
        self._rules: dict[Family, dict[str, int]] = {}

    def own(self, owner: str, elements: Iterable[Element]) -> None:
        """Let `owner` have exactly these elements. Raises OSError."""
        wanted = tuple(dict.fromkeys(elements))
        with self._lock:
            before = self._owned.get(owner, ())
            self._owned[owner] = wanted
            if not wanted:
                del self._owned[owner]
            if not self.active or before == wanted:
                return
            if not self._is_there:
                self._put_all()
                return
            # What another owner has as well stays; sets know each element once.
            kept = {element[:2] for elements in self._owned.values() for element in elements} if before else set()
            try:
                self._change([e for e in wanted if e not in before], [e for e in before if e[:2] not in kept])
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EEXIST):
                    self._owned[owner] = before
                    raise
                # Somebody else has been at our tables: make them new.
                log.warning("packet filter differed from what it should be; made anew: %s", error)
                self._put_all()

    def remember(self, owner: str, elements: Iterable[Element]) -> None:
        """Note what `owner` has, without telling the kernel yet: `put_all` does."""
        with self._lock:
            self._owned[owner] = tuple(dict.fromkeys(elements))

    def put_all(self) -> None:
        """Make the kernel's tables equal to what is remembered, in one transaction. Raises OSError."""
        with self._lock:
            if self.active:
                self._put_all()

    def mend(self) -> bool:
        """Put everything back if anything of it is missing; whether it was. Raises OSError."""
        with self._lock:
            if not self.active or not self._is_there or self._is_whole():
                return False
            self._put_all()
            return True

    def _is_whole(self) -> bool:
        for family, rules in self._rules.items():
            found = nftables.count_rules(family, TABLE)
            found.pop(ruleset.USER, None)
            if found != rules:
                return False
        try:
            return all(
                {key for key, _ in elements} <= {key for key, _ in nftables.elements(_family(name), TABLE, name)}
                for name, elements in self._by_set().items()
            )
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return False

    def _by_set(self) -> dict[str, list[tuple[bytes, bytes]]]:
        return _by_set(element for owned in self._owned.values() for element in owned)

    def _put_all(self) -> None:
        inet, bridge = ruleset.inet(), ruleset.bridge()
        for name, elements in self._by_set().items():
            (bridge if name in _PORT_SET_NAMES else inet).add_elements(name, elements)
        self._rules = {Family.INET: inet.rules_count, Family.BRIDGE: bridge.rules_count}
        try:
            nftables.commit(inet, bridge)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.EBUSY, errno.EINVAL):
                raise
            # A table of that name with other sets or chains, such as an older release's: replace it as a whole.
            nftables.commit(*(_removal(family) for family in (Family.INET, Family.BRIDGE)), inet, bridge)
        self._is_there = True

    def _change(self, added: Sequence[Element], removed: Sequence[Element]) -> None:
        inet, bridge = Batch(Family.INET, TABLE), Batch(Family.BRIDGE, TABLE)
        for name, elements in _by_set(removed).items():
            (bridge if name in _PORT_SET_NAMES else inet).delete_elements(name, [key for key, _ in elements])
        for name, elements in _by_set(added).items():
            (bridge if name in _PORT_SET_NAMES else inet).add_elements(name, elements)
        nftables.commit(inet, bridge)


def remove_tables() -> None:
    """Remove everything of ours from the packet filter; harmless when it is not there. Raises OSError."""
    for family in (Family.INET, Family.BRIDGE):
        try:
            batch = Batch(family, TABLE)
            batch.delete_table()
            nftables.commit(batch)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def _family(name: str) -> Family:
    return Family.BRIDGE if name in _PORT_SET_NAMES else Family.INET


def _removal(family: Family) -> Batch:
    batch = Batch(family, TABLE)
    batch.add_table()  # so that deleting it cannot fail
    batch.delete_table()
    return batch


def _by_set(elements: Iterable[Element]) -> dict[str, list[tuple[bytes, bytes]]]:
    found: dict[str, dict[bytes, bytes]] = {}
    for name, key, data in elements:
        found.setdefault(name, {})[key] = data
    return {name: list(each.items()) for name, each in found.items()}
