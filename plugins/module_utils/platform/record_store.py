"""Records of runs in the platform's bucket, one object each."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from . import moments
from .engine.errors import PlatformError
from .engine.session import explain
from .records import PREFIX, Record

#: what they take; listing them is part of what planning reads
ACTIONS = ("s3:GetObject", "s3:PutObject")
#: reads at once
_PARALLEL = 16
_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "404"})


class RecordStore:
    """The records in a bucket. client: of S3, in its region."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._s3 = client
        self._bucket = bucket

    def put(self, record: Record) -> None:
        """Write a record, or what it has become. Raises PlatformError."""
        try:
            body = record.text().encode()
            self._s3.put_object(Bucket=self._bucket, Key=record.key, Body=body, ContentType="application/json")
        except (ClientError, BotoCoreError) as error:
            raise explain(error, self._s3, "s3:PutObject") from error

    def listed(self) -> list[str]:
        """The keys of all records, by time. Raises PlatformError."""
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=PREFIX)
            return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                return []
            raise explain(error, self._s3, "s3:ListBucket") from error
        except BotoCoreError as error:
            raise explain(error, self._s3, "s3:ListBucket") from error

    def read(self, keys: Sequence[str]) -> list[Record]:
        """These records; without what is none. Raises PlatformError."""
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return [record for record in pool.map(self._read, keys) if record is not None]

    def _read(self, key: str) -> Record | None:
        try:
            return Record.parsed(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode())
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                return None
            raise explain(error, self._s3, "s3:GetObject") from error
        except BotoCoreError as error:
            raise explain(error, self._s3, "s3:GetObject") from error
        except ValueError:
            return None


def began(key: str) -> datetime | None:
    """When the run of a key began; None for what is no record's."""
    try:
        return moments.read(key.removeprefix(PREFIX)[:20])
    except ValueError:
        return None


__all__ = ["ACTIONS", "PlatformError", "RecordStore", "began"]
