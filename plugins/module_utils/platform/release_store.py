"""The histories of releases in the platform's bucket: one object for each stack."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .engine.errors import PlatformError
from .engine.session import explain
from .releases import Release, parsed, text_of

#: the objects, without the name of the stack
FOLDER = "releases"

_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "404"})


class ReleaseStore:
    """Releases in a bucket. Raises PlatformError when S3 refuses. client: of S3, in the region of the bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._s3 = client
        self._bucket = bucket

    def _key(self, stack: str) -> str:
        return f"{FOLDER}/{stack}.json"

    def read(self, stack: str) -> dict[str, list[Release]]:
        """The histories of a stack's services; empty when nothing is recorded."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key(stack))
            return parsed(answer["Body"].read().decode())
        except ClientError as error:
            if error.response.get("Error", {}).get("Code", "") in _MISSING:
                return {}
            raise explain(error, self._s3, "s3:GetObject") from error
        except BotoCoreError as error:
            raise explain(error, self._s3, "s3:GetObject") from error
        except ValueError as error:
            raise PlatformError(
                f"s3://{self._bucket}/{self._key(stack)} does not list releases ({error}). The bucket keeps its former "
                "versions: bring back the last good one."
            ) from error

    def write(self, stack: str, histories: dict[str, list[Release]]) -> None:
        """Put them in the place of what is there. The caller holds the lock of the platform."""
        body = text_of(histories).encode()
        try:
            self._s3.put_object(Bucket=self._bucket, Key=self._key(stack), Body=body, ContentType="application/json")
        except (ClientError, BotoCoreError) as error:
            raise explain(error, self._s3, "s3:PutObject") from error
