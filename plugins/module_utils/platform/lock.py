"""The lock as an object in S3, made, renewed and taken away by conditional writes.

Each write says what it expects to find: nothing (If-None-Match: *), or the document with this ETag (If-Match). S3 lets
one of several through. A write whose answer was lost is repeated by boto3 and then refused, because it has been done;
so a refusal only means: read again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .engine.errors import PlatformError
from .engine.session import explain
from .guard import LostAnswerError
from .holding import Holding, Seen

#: the object
KEY = "lock.json"
#: what it takes, besides s3:CreateBucket
ACTIONS = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")

_REFUSED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "NoSuchBucket", "404", "412"})
_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "404"})
#: somebody makes, or has made, the bucket
_MADE = frozenset({"BucketAlreadyOwnedByYou", "OperationAborted"})
#: reads of a document that something on the way has spoiled
_ATTEMPTS = 3


class Lock:
    """The lock in a bucket. Raises PlatformError when S3 refuses for other reasons than somebody else's write.

    client: of S3, in the region of the bucket.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._s3 = client
        self._bucket = bucket
        self._at = {"Bucket": bucket, "Key": KEY}

    def read(self) -> Seen | None:
        """The lock; None when nobody holds it."""
        for _ in range(_ATTEMPTS):
            try:
                answer = self._s3.get_object(**self._at)
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise explain(error, self._s3, "s3:GetObject") from error
            except BotoCoreError as error:
                raise explain(error, self._s3, "s3:GetObject") from error
            # boto3 repeats a call, but not the reading of what it answers.
            with suppress(BotoCoreError, ValueError):
                text, etag = answer["Body"].read().decode(), answer.get("ETag", "")
                if etag:
                    return Seen(Holding.parsed(text), etag, _age(answer))
        raise PlatformError(
            f"s3://{self._bucket}/{KEY} is not the platform's lock: it holds something else. Look at it, and move it."
        )

    def create(self, holding: Holding) -> bool:
        """Take a free lock. False when it has to be read: it may be taken, by another or by an earlier attempt."""
        body = holding.text().encode()
        refused = self._write("s3:PutObject", self._s3.put_object, Body=body, IfNoneMatch="*")
        if refused == "NoSuchBucket":
            self.make_bucket()
        return not refused

    def replace(self, holding: Holding, etag: str) -> bool:
        """Put a document in the place of another. False when it has to be read."""
        return not self._write("s3:PutObject", self._s3.put_object, Body=holding.text().encode(), IfMatch=etag)

    def remove(self, etag: str) -> bool:
        """Free the lock. False when it has to be read."""
        return not self._write("s3:DeleteObject", self._s3.delete_object, IfMatch=etag)

    def make_bucket(self) -> None:
        """Make the bucket, which several may do at once. Its settings are those of a new bucket: nothing is public."""
        region = self._s3.meta.region_name
        # S3's first region cannot be named.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._s3.create_bucket(Bucket=self._bucket, **where)
        except LostAnswerError:
            return
        except ClientError as error:
            if _code(error) == "BucketAlreadyExists":
                raise PlatformError(
                    f"The bucket {self._bucket} belongs to another account. Choose another name for platform_bucket "
                    "(group_vars/all/aws_storage.yml)."
                ) from error
            if _code(error) not in _MADE:
                raise explain(error, self._s3, "s3:CreateBucket") from error
        except BotoCoreError as error:
            raise explain(error, self._s3, "s3:CreateBucket") from error

    def _write(self, action: str, operation: Callable[..., Any], **arguments: Any) -> str:
        """Why the lock has to be read; empty when S3 has done it."""
        try:
            answer = operation(**self._at, **arguments)
        except ClientError as error:
            if _code(error) in _REFUSED:
                return _code(error)
            raise explain(error, self._s3, action) from error
        except BotoCoreError as error:
            raise explain(error, self._s3, action) from error
        # S3 answers a PUT with an ETag; whatever answers without one is not S3.
        return "" if answer.get("ETag") or "Body" not in arguments else "MalformedAnswer"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _age(answer: Mapping[str, Any]) -> float:
    """Seconds from the last write to the answer, both by the clock of S3; 0 when it does not tell the time."""
    try:
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return max(0.0, float((now - answer["LastModified"]).total_seconds()))
    except (KeyError, TypeError, ValueError):
        return 0.0
