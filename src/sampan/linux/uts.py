"""How does a UTS namespace get its host name and NIS domain name?

sethostname(2), setdomainname(2).
"""

import os

from sampan.linux.call import call


def set_host_name(name: str) -> None:
    """sethostname(2): at most 64 bytes."""
    encoded = os.fsencode(name)
    call("sethostname", encoded, len(encoded), paths=(name,))


def set_domain_name(name: str) -> None:
    """setdomainname(2): at most 64 bytes."""
    encoded = os.fsencode(name)
    call("setdomainname", encoded, len(encoded), paths=(name,))
