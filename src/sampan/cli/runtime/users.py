"""What is a user of this machine called?"""

import pwd


def user_name(uid: int) -> str:
    """The name, as runc's `list` has it: "#1000" where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
