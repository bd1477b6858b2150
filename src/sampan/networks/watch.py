"""What if somebody flushes the packet filter?

Firewall programs reload by flushing everything (`nft flush ruleset`), ours included. The kernel tells of every change;
when something of ours was deleted, it is looked at and put back at once.
"""

import asyncio
import errno
import logging

from sampan.linux import nftables
from sampan.networks.firewall import Firewall
from sampan.networks.ruleset import TABLE

MOST_BYTES = 1 << 18
AGAIN_SECONDS = 1.0

log = logging.getLogger(__name__)


async def watch(firewall: Firewall) -> None:
    """Keep the tables whole, until cancelled."""
    try:
        news = nftables.listen()
    except OSError as error:
        log.warning("changes of the packet filter are not noticed: %s", error)
        return
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                has_lost = nftables.deletes_table(await loop.sock_recv(news, MOST_BYTES), TABLE)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                has_lost = True  # more happened than was kept for us
            if has_lost:
                await _mend(firewall)
    finally:
        news.close()


async def _mend(firewall: Firewall) -> None:
    try:
        if await asyncio.to_thread(firewall.mend):
            log.warning("rules of containers had been removed from the packet filter; they are back")
    except OSError as error:
        # Somebody is in the middle of a change, or holds nothing at all any more: look once more.
        log.warning("rules of containers could not be put back yet: %s", error)
        await asyncio.sleep(AGAIN_SECONDS)
        try:
            await asyncio.to_thread(firewall.mend)
        except OSError:
            log.exception("rules of containers could not be put back")
