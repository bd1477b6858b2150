"""Which kinds of failure are there, and what can the caller do about each?

Six kinds, told apart by the caller's next move, not by where they arise. A module raises the kind, or a subclass that
carries the case; the message is the sentence a user reads. Only `api/status.py` turns kinds into HTTP numbers.

    SampanError
    ├── InvalidRequest   mend the request: it can never work as it stands
    ├── NotFound         name something that exists
    ├── Conflict         change the state of the thing first, or pick another name
    ├── Forbidden        it will not be done for you
    ├── NotSupported     this engine, or this kernel, cannot do it
    └── Unavailable      try again later
"""


class SampanError(Exception):
    """Any failure that sampan explains to a user; its text is the explanation."""


class InvalidRequest(SampanError):
    """The request is malformed or contradicts itself."""


class NotFound(SampanError):
    """The thing named does not exist."""


class Conflict(SampanError):
    """The thing exists, but its state or name forbids what was asked."""


class Forbidden(SampanError):
    """The request is understood and refused."""


class NotSupported(SampanError):
    """This engine or this kernel cannot do what was asked."""


class Unavailable(SampanError):
    """It cannot be done now; the same request may work later."""
