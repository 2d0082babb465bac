"""Objects in a bucket of S3, or of a server that speaks it, by obstore (the Rust crate `object_store`).

A small object is written by one PUT that the server refuses where the key is taken (`If-None-Match: *`). S3 takes no such condition for the parts of a
large one, so that one is looked for first, and its parts become an object at once, at the end: two writers of one key write the same file (its digest is in
the key). Each request is signed with the SHA-256 of its body, so the server refuses what was altered on its way. Requests have time limits,
and are tried again a few times; what fails then is StoreUnreachable, with no more of the server's words than the kind of error.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, TypeVar

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from gateway.errors import StoreUnprepared, StoreUnreachable
from gateway.storage.objects.contract import MARK, Fill, Source

if TYPE_CHECKING:
    from obstore.store import S3Config

_AT_ONCE: Final = 16
_SMALL: Final = 8 << 20
_PART: Final = 8 << 20
_PARTS_AT_ONCE: Final = 4
_PIECE: Final = 1 << 20
_DELETED_AT_ONCE: Final = 1000
_CONNECT: Final = timedelta(seconds=5)
_SILENCE: Final = timedelta(seconds=20)
_REQUEST: Final = timedelta(seconds=120)
_RETRIES: Final = 3
_RETRY_FOR: Final = timedelta(seconds=30)
_Given = TypeVar("_Given")


@dataclass(frozen=True)
class Bucket:
    """Where the objects are, and as whom: `endpoint` "" is Amazon's of the region. `encryption` is what the server encrypts by besides, such as AES256."""

    name: str
    prefix: str
    region: str
    endpoint: str
    access_key: str
    secret_key: str
    session_token: str = ""
    encryption: str = ""
    kms_key: str = ""


class S3Store:
    """The store in a bucket. `scratch` is where a large object, sealed, waits until it is sent."""

    def __init__(self, bucket: Bucket, scratch: Path) -> None:
        from obstore import store  # noqa: PLC0415 - starts threads when it is used: not before a role is forked

        config: S3Config = {
            "access_key_id": bucket.access_key,
            "secret_access_key": bucket.secret_key,
            "region": bucket.region,
            "unsigned_payload": False,
            "conditional_put": "etag",
            "virtual_hosted_style_request": not bucket.endpoint,
        }
        if bucket.endpoint:
            config["endpoint"] = bucket.endpoint
        if bucket.session_token:
            config["session_token"] = bucket.session_token
        if bucket.encryption:
            config["server_side_encryption"] = bucket.encryption
        if bucket.kms_key:
            config["sse_kms_key_id"] = bucket.kms_key
        self._scratch = scratch
        self._store = store.S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            config=config,
            client_options={
                "allow_http": bucket.endpoint.startswith("http://"),
                "connect_timeout": _CONNECT,
                "read_timeout": _SILENCE,
                "timeout": _REQUEST,
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_FOR},
        )

    def place(self, key: str) -> str:
        return key

    def put_new(self, objects: Mapping[str, Fill]) -> None:
        if len(objects) == 1:
            for key, fill in objects.items():
                self._put(key, fill)
            return
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            waiting = [threads.submit(self._put, key, fill) for key, fill in objects.items()]
            try:
                for each in waiting:
                    each.result()
            finally:
                threads.shutdown(wait=True, cancel_futures=True)

    def _put(self, key: str, fill: Fill) -> None:
        import obstore  # noqa: PLC0415 - as above

        with tempfile.SpooledTemporaryFile(_SMALL, dir=str(self._scratch)) as sealed:
            fill(sealed)
            size = sealed.tell()
            sealed.seek(0)
            if size <= _SMALL:
                content = sealed.read()
                try:
                    _asked(lambda: obstore.put(self._store, key, content, mode="create", use_multipart=False))
                except (AlreadyExistsError, PreconditionError):
                    return
            elif self.written(key) is None:
                pieces: IO[bytes] = sealed
                _asked(
                    lambda: obstore.put(
                        self._store,
                        key,
                        iter(lambda: pieces.read(_PIECE), b""),
                        use_multipart=True,
                        chunk_size=_PART,
                        max_concurrency=_PARTS_AT_ONCE,
                    )
                )

    @contextmanager
    def open(self, key: str) -> Iterator[Source | None]:
        import obstore  # noqa: PLC0415 - as above

        try:
            given = _asked(lambda: obstore.get(self._store, key))
        except FileNotFoundError:
            self._require_mark()
            yield None
            return
        yield _Pieces(iter(given.stream(min_chunk_size=_PIECE)))

    def remove(self, keys: Iterable[str]) -> None:
        import obstore  # noqa: PLC0415 - as above

        gone = list(keys)
        for at in range(0, len(gone), _DELETED_AT_ONCE):
            piece = gone[at : at + _DELETED_AT_ONCE]
            try:
                _asked(lambda piece=piece: obstore.delete(self._store, piece))  # type: ignore[misc]
            except FileNotFoundError:
                self._require_mark()

    def written(self, key: str) -> float | None:
        import obstore  # noqa: PLC0415 - as above

        try:
            return _asked(lambda: obstore.head(self._store, key))["last_modified"].timestamp()
        except FileNotFoundError:
            if key != MARK:
                self._require_mark()
            return None

    def keys(self, prefix: str) -> Iterator[str]:
        import obstore  # noqa: PLC0415 - as above

        found = False
        pages = iter(obstore.list(self._store, f"{prefix}/" if prefix else None))
        try:
            while page := _asked(lambda: next(pages, None)):
                found = True
                yield from (each["path"] for each in page)
        except FileNotFoundError as error:
            raise StoreUnreachable("the bucket of [payloads] url is not there") from error
        if not found:
            self._require_mark()

    def _require_mark(self) -> None:
        if self.written(MARK) is None:
            raise StoreUnprepared(
                f"the bucket of [payloads] url has no {MARK}: it is another one, or was not prepared yet"
            )


class _Pieces:
    """An object's bytes as they come, whose errors are the store's."""

    def __init__(self, pieces: Iterator[object]) -> None:
        self._pieces, self._left = pieces, b""

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._left) < size:
            piece = _asked(lambda: next(self._pieces, None))
            if piece is None:
                break
            self._left += bytes(piece)  # type: ignore[call-overload]
        size = len(self._left) if size < 0 else size
        given, self._left = self._left[:size], self._left[size:]
        return given


def _asked(ask: Callable[[], _Given]) -> _Given:
    """What the server answers. FileNotFoundError, AlreadyExistsError and PreconditionError are the caller's, StoreUnreachable is all else."""
    try:
        return ask()
    except (FileNotFoundError, AlreadyExistsError, PreconditionError):
        raise
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StoreUnreachable("the server of [payloads] url refuses the access key, or what it asks for") from error
    except (BaseError, OSError, TimeoutError) as error:
        # What obstore says holds URLs, and what the server said: none of it is to be in a log.
        raise StoreUnreachable(f"the server of [payloads] url: {type(error).__name__}") from error
