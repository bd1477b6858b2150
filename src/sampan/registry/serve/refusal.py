"""How does a registry say no?

With one of the specification's codes (distribution-spec, "Error Codes") and the status that goes with it, in the JSON
body that clients look into. Numbers are here and nowhere else.
"""

import json
from typing import Any

from sampan.errors import SampanError

STATUS = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DENIED": 403,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 400,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "SIZE_INVALID": 400,
    "TOOMANYREQUESTS": 429,
    "UNAUTHORIZED": 401,
    "UNKNOWN": 500,
    "UNSUPPORTED": 405,
}
TOO_LARGE = 413
TOO_SLOW = 408
RANGE = 416
NO_SPACE = 507
LATER = 503
GONE_UPSTREAM = 502


class Refusal(SampanError):
    """An answer that is no success. `status` 0 means the code's own; `headers` go along."""

    def __init__(
        self, code: str, message: str, *, status: int = 0, detail: Any = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or STATUS[code]
        self.detail = detail
        self.headers = headers or {}

    def body(self) -> bytes:
        """The JSON that clients expect."""
        error: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.detail is not None:
            error["detail"] = self.detail
        return json.dumps({"errors": [error]}).encode() + b"\n"
