"""Which image does `nginx` mean?

    nginx              docker.io/library/nginx            name only
    nginx:1.27         docker.io/library/nginx:1.27       tagged
    me/app             docker.io/me/app
    localhost:5000/a   localhost:5000/a                   what precedes the first / has a dot or port, or is localhost
    app@sha256:…       docker.io/library/app@sha256:…     canonical

The grammar and the sentences are those of github.com/distribution/reference (reference.go, normalize.go). The left
column is the *familiar* form: what users type and are shown. The middle one is the normal form.
"""

import re
from dataclasses import dataclass, replace

from sampan.errors import InvalidRequest
from sampan.oci.digest import Digest, is_digest, parse_digest

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
MAX_NAME = 255
_LEGACY_DOMAIN = "index.docker.io"
_OFFICIAL = "library/"

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_DOMAIN_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"

_REFERENCE = re.compile(rf"((?:{_DOMAIN}/)?{_PATH})(?::({_TAG}))?(?:@({_DIGEST}))?")
_NAME = re.compile(rf"(?:({_DOMAIN})/)?({_PATH})")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_TAG_ONLY = re.compile(_TAG)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in normal form, with a tag, a digest, both or neither."""

    domain: str
    path: str
    tag: str = ""
    digest: Digest = ""

    @property
    def name(self) -> str:
        """`docker.io/library/nginx`."""
        # The domain is empty where what should be one, as in `my_host.lan/app`, can only be part of a path.
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def familiar_name(self) -> str:
        """`nginx`: the name as people write it."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        remainder = self.path.removeprefix(_OFFICIAL)
        # `library/a/b` keeps its prefix, because `a/b` would mean something else.
        return self.path if "/" in remainder and remainder != self.path else remainder

    @property
    def familiar(self) -> str:
        """`nginx:1.27@sha256:…`: the whole reference as people write it."""
        return self.familiar_name + self._suffix

    @property
    def is_name_only(self) -> bool:
        """Whether neither tag nor digest is given."""
        return not self.tag and not self.digest

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._suffix

    def with_default_tag(self) -> "Reference":
        """The same reference; tagged `latest` if it was a name only."""
        return replace(self, tag=DEFAULT_TAG) if self.is_name_only else self

    def without_tag(self) -> "Reference":
        """The name, with the digest if there is one."""
        return replace(self, tag="")


def parse_reference(text: str) -> Reference:
    """What a user typed, in normal form. Raises InvalidRequest with distribution's sentences."""
    if _IDENTIFIER.fullmatch(text):
        raise InvalidRequest(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, remainder = _split_domain(text)
    repository = remainder.partition(":")[0]
    if repository != repository.lower():
        raise InvalidRequest(f"invalid reference format: repository name ({repository}) must be lowercase")
    return parse_normal(f"{domain}/{remainder}")


def parse_normal(text: str) -> Reference:
    """A reference that already names its domain. Raises InvalidRequest."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        if _REFERENCE.fullmatch(text.lower()):
            raise InvalidRequest("repository name must be lowercase")
        raise InvalidRequest("invalid reference format")
    name, tag, digest = match.groups(default="")
    parts = _NAME.fullmatch(name)
    domain, path = (parts[1] or "", parts[2]) if parts else ("", name)
    if len(path) > MAX_NAME:
        raise InvalidRequest(f"repository name must not be more than {MAX_NAME} characters")
    return Reference(domain, path, tag, parse_digest(digest) if digest else "")


def parse_any(text: str) -> Reference | Digest:
    """A reference, or the image ID (as a digest) when all of `text` is one. Raises InvalidRequest."""
    if _IDENTIFIER.fullmatch(text):
        return f"sha256:{text}"
    if is_digest(text):
        return text
    return parse_reference(text)


def with_tag(reference: Reference, tag: str) -> Reference:
    """The same name with another tag. Raises InvalidRequest."""
    if not _TAG_ONLY.fullmatch(tag):
        raise InvalidRequest("invalid tag format")
    return replace(reference, tag=tag, digest="")


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first.lower() != first
    domain, remainder = (first, rest) if slash and is_domain else (DEFAULT_DOMAIN, text)
    if domain == _LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = _OFFICIAL + remainder
    return domain, remainder
