"""Blocks in a bucket of an S3-compatible object store (Amazon's, MinIO, Ceph, Garage, R2, ...), through MinIO's client.

An object a block, under a prefix and the block's CID. Nothing that comes back is trusted (`ContentStore` hashes it).
Equal blocks are equal objects, so that writing one twice is no harm. A bucket keeps what it has, so there are no pins.
Endpoint and bucket are in the store's URL, the keys in the environment alone.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from app.protocol.errors import NotFound, Unavailable, UsageError
from app.storage.cid import Cid, parse
from app.storage.content import ContentStore
from app.storage.unixfs import MAX_BLOCK_BYTES

ACCESS_KEY, SECRET_KEY, REGION = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"
CONNECT_SECONDS, READ_SECONDS, RETRIES = 5.0, 30.0, 2
MISSING = ("NoSuchKey", "NoSuchObject")

T = TypeVar("T")


class BucketBlocks:
    """Blocks in one bucket. Nothing here is trusted on reading: see `ContentStore`."""

    def __init__(self, url: str) -> None:
        """`url` is http(s)://HOST[:PORT]/BUCKET[/PREFIX]. Errors: UsageError; NotFound where minio is not installed."""
        parts = urlsplit(url)
        self._bucket, _, prefix = parts.path.strip("/").partition("/")
        if parts.scheme not in ("http", "https") or not parts.hostname or not self._bucket or parts.username:
            raise UsageError(
                "A bucket is named by s3:https://HOST/BUCKET, with no key in it.",
                f"Put the keys into {ACCESS_KEY} and {SECRET_KEY}.",
            )
        try:
            import minio
            import urllib3
        except ImportError:
            raise NotFound("A bucket needs minio.", "Install it: pip install 'darkroom-market[s3]'.") from None
        self._prefix, self._host = f"{prefix}/" if prefix else "", parts.netloc
        http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=urllib3.Retry(total=RETRIES, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504)),
        )
        self._client: Any = minio.Minio(
            parts.netloc,
            access_key=os.environ.get(ACCESS_KEY),
            secret_key=os.environ.get(SECRET_KEY),
            region=os.environ.get(REGION, "us-east-1"),
            secure=parts.scheme == "https",
            http_client=http,
        )

    def has(self, cid: Cid) -> bool:
        """Whether the object exists."""
        try:
            self._call(lambda: self._client.stat_object(self._bucket, self._name(cid)), cid)
        except NotFound:
            return False
        return True

    def get(self, cid: Cid) -> bytes:
        """The object's bytes, cut one byte above the largest block. Errors: NotFound, Unavailable."""

        def read() -> bytes:
            answer = self._client.get_object(self._bucket, self._name(cid))
            try:
                return bytes(answer.read(MAX_BLOCK_BYTES + 1))
            finally:
                answer.close()
                answer.release_conn()

        return self._call(read, cid)

    def put(self, cid: Cid, block: bytes | bytearray | memoryview) -> None:
        """Write the block, unless the bucket says that it has these bytes. Errors: Unavailable."""
        data = bytes(block)
        with suppress(NotFound):
            found = self._call(lambda: self._client.stat_object(self._bucket, self._name(cid)), cid)
            if str(found.etag).strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest():
                return
        self._call(lambda: self._client.put_object(self._bucket, self._name(cid), io.BytesIO(data), len(data)), cid)

    def pin(self, cid: Cid) -> None:
        """Objects stay in the bucket until they are removed one by one."""

    def pinned(self, cid: Cid) -> bool:  # noqa: ARG002
        """Nothing is kept but by its objects."""
        return False

    def unpin(self, cid: Cid) -> None:
        """There is nothing to undo."""

    @property
    def removes(self) -> bool:
        """Each block is an object."""
        return True

    def remove(self, cid: Cid) -> None:
        """Delete the block's object. Errors: Unavailable."""
        self._call(lambda: self._client.remove_object(self._bucket, self._name(cid)), cid)

    def __iter__(self) -> Iterator[Cid]:
        for each in self._client.list_objects(self._bucket, prefix=self._prefix, recursive=True):
            yield parse(str(each.object_name).removeprefix(self._prefix))

    def _name(self, cid: Cid) -> str:
        return self._prefix + cid.text

    def _call(self, action: Callable[[], T], cid: Cid) -> T:
        import minio.error
        import urllib3.exceptions

        try:
            return action()
        except minio.error.S3Error as error:
            if error.code in MISSING:
                raise NotFound(
                    f"The block {cid.text} is not in the bucket {self._bucket}.", "Fetch it from a node that has it."
                ) from None
            raise Unavailable(
                f"The bucket {self._bucket} at {self._host} refused a request ({error.code}).",
                f"Check the bucket's name and rights, and {ACCESS_KEY}.",
            ) from None
        except (minio.error.MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(
                f"The object store at {self._host} does not answer ({type(error).__name__}).",
                "Check its address and that it runs.",
            ) from None


class BucketStore(ContentStore):
    """The Store seam over a bucket."""

    def __init__(self, url: str) -> None:
        self._objects = BucketBlocks(url)
        super().__init__(self._objects)

    def blocks(self) -> Iterator[str]:
        """The CIDs of all blocks in the bucket."""
        return (cid.text for cid in self._objects)
