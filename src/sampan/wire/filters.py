"""What does `?filters=` ask for?

One JSON object in either of two shapes: `{"status":{"running":true}}` (Go clients) or `{"status":["running"]}`
(docker-py, curl). Values of one key are alternatives, keys must all hold; `label` alone asks that all its values hold.
Which keys a listing knows is the listing's business: it calls `check` with its own table.
"""

import json as plain_json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sampan.errors import InvalidRequest
from sampan.wire import json

LIMIT = 1 << 20
_TRUE = ("1", "true")
_FALSE = ("0", "false")


@dataclass(frozen=True, slots=True)
class Filters:
    """The terms of one request: key → values, in the order given."""

    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return key in self.terms

    def __bool__(self) -> bool:
        return bool(self.terms)

    def get(self, key: str) -> tuple[str, ...]:
        """The values asked for under `key`; empty when it is not asked about."""
        return self.terms.get(key, ())

    def check(self, accepted: Collection[str]) -> None:
        """Raises InvalidRequest for the first key that is not in `accepted`."""
        for key in self.terms:
            if key not in accepted:
                raise InvalidRequest(f"invalid filter '{key}'")

    def flag(self, key: str, default: bool | None = None) -> bool | None:
        """The value of a yes-or-no key such as `dangling`; `default` when it is not asked about."""
        if key not in self.terms:
            return default
        values = {value.lower() for value in self.terms[key]}
        # Both answers at once is a contradiction, not a choice: dockerd refuses it too.
        if len(values) == 1 and (value := values.pop()) in (*_TRUE, *_FALSE):
            return value in _TRUE
        raise InvalidRequest(f"invalid filter '{key}=[{' '.join(self.terms[key])}]'")

    def labels_match(self, labels: Mapping[str, str] | None) -> bool:
        """Whether `labels` satisfies every `label` term and none of the `label!` terms."""
        have = labels or {}
        return all(_holds(term, have) for term in self.get("label")) and not any(
            _holds(term, have) for term in self.get("label!")
        )


def _holds(term: str, labels: Mapping[str, str]) -> bool:
    key, equals, value = term.partition("=")
    return key in labels and (not equals or labels[key] == value)


def parse(text: str | None) -> Filters:
    """The filters in a query's `filters=`; absent, empty and `{}` are all "no filter"."""
    if not text:
        return Filters()
    value = json.parse(text, limit=LIMIT)
    if not isinstance(value, dict):
        raise InvalidRequest("invalid filters: not a JSON object")
    terms: dict[str, tuple[str, ...]] = {}
    for key, values in value.items():
        # A list of strings, or a map whose keys are the values; what the map's booleans say has never mattered.
        if not isinstance(values, dict | list) or not all(isinstance(each, str) for each in values):
            raise InvalidRequest(f"invalid filters: the values of '{key}' are not strings")
        terms[key] = tuple(dict.fromkeys(values))
    return Filters(terms)


def render(terms: Mapping[str, Collection[str]]) -> str:
    """The `filters=` text for `terms`, in the shape that Go clients send."""
    return plain_json.dumps({key: dict.fromkeys(values, True) for key, values in terms.items()}, separators=(",", ":"))
