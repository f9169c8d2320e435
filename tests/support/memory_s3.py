"""S3's conditional writes in memory, with a clock that tests set."""

from __future__ import annotations

import datetime
import hashlib
import io
from collections.abc import Callable
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

_START = datetime.datetime(2026, 11, 28, 12, 0, tzinfo=datetime.UTC)


class MemoryS3:
    """A client of S3 with one bucket, which may be missing.

    between: is called before each request, and may do what others do meanwhile. lost: operations whose next answer is
    lost, so that boto3 does them a second time. tells_time: whether answers have a date.
    """

    def __init__(self, *, bucket: bool = True) -> None:
        self.meta = SimpleNamespace(region_name="ap-northeast-2", service_model=SimpleNamespace(service_id="S3"))
        self.bucket = bucket
        self.now = 0.0
        self.tells_time = True
        self.lost: list[str] = []
        self.between: Callable[[str], None] = lambda operation: None
        self.requests: list[str] = []
        self._object: tuple[bytes, float] | None = None

    @property
    def text(self) -> str:
        """The object; empty when there is none."""
        return self._object[0].decode() if self._object else ""

    def put_object(self, **arguments: Any) -> dict[str, Any]:
        """As boto3's."""
        return self._do("put_object", lambda: self._put(**arguments))

    def get_object(self, **_: Any) -> dict[str, Any]:
        """As boto3's."""
        return self._do("get_object", self._get)

    def delete_object(self, **arguments: Any) -> dict[str, Any]:
        """As boto3's."""
        return self._do("delete_object", lambda: self._delete(**arguments))

    def create_bucket(self, **_: Any) -> dict[str, Any]:
        """As boto3's."""
        return self._do("create_bucket", self._create)

    def _do(self, name: str, operation: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self.between(name)
        self.requests.append(name)
        answer = operation()
        if name in self.lost:
            self.lost.remove(name)
            answer = operation()
        return answer

    def _create(self) -> dict[str, Any]:
        if self.bucket:
            raise refusal("BucketAlreadyOwnedByYou", "CreateBucket")
        self.bucket = True
        return {}

    def _etag(self) -> str:
        return f'"{hashlib.md5(self._object[0]).hexdigest()}"' if self._object else ""

    def _there(self, operation: str, expected: str | None) -> None:
        if not self.bucket:
            raise refusal("NoSuchBucket", operation)
        if expected is not None and self._object is None:
            raise refusal("NoSuchKey", operation)
        if expected not in (None, self._etag()):
            raise refusal("PreconditionFailed", operation)

    def _put(self, Body: bytes, IfMatch: str | None = None, IfNoneMatch: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        self._there("PutObject", IfMatch)
        if IfNoneMatch == "*" and self._object is not None:
            raise refusal("PreconditionFailed", "PutObject")
        self._object = (Body, self.now)
        return {"ETag": self._etag()}

    def _get(self) -> dict[str, Any]:
        self._there("GetObject", None)
        if self._object is None:
            raise refusal("NoSuchKey", "GetObject")
        body, written = self._object
        # S3 tells whole seconds.
        date = format_datetime(_START + datetime.timedelta(seconds=int(self.now)), usegmt=True)
        return {
            "Body": io.BytesIO(body),
            "ETag": self._etag(),
            "LastModified": _START + datetime.timedelta(seconds=int(written)),
            "ResponseMetadata": {"HTTPHeaders": {"date": date} if self.tells_time else {}},
        }

    def _delete(self, IfMatch: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._there("DeleteObject", IfMatch)
        self._object = None
        return {}


def refusal(code: str, operation: str) -> ClientError:
    """What boto3 raises for an error of S3."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
