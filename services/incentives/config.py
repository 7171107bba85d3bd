"""The settings of an incentives process."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.config import ConfigError, Settings, read_secret
from services.incentives.codes import KEY_BYTES, parse_key


class IncentivesSettings(Settings):
    """Read from SPOTLIGHT_INCENTIVES_*."""

    prefix: ClassVar[str] = "SPOTLIGHT_INCENTIVES_"

    port: int = Field(default=8084, ge=0, le=65535, description="The gRPC port; 0 takes a free one.")
    telemetry_port: int = Field(default=8094, ge=0, le=65535, description="Where /metrics is served; 0: a free port.")
    database: str = Field(
        default="spotlight_incentives", pattern=r"^[a-z0-9_]{1,60}$", description="Its MongoDB database."
    )
    matcher_address: str = Field(
        default="127.0.0.1:8083", description="The matcher, whose feed is followed; empty: nothing is followed."
    )
    metrics_address: str = Field(
        default="127.0.0.1:8085",
        description="Metrics, which counts views and takes events; empty: neither happens.",
    )
    code_key_files: tuple[Path, ...] = Field(
        default=(),
        description="Keys of ticket codes, 32 bytes each: the first encrypts, all decrypt. A local process makes "
        "a missing one.",
    )
    sweep_s: float = Field(
        default=1.0, gt=0, le=60, description="How often time is looked at: starts, ends, expiries, waitlists."
    )
    counts_s: float = Field(default=15.0, gt=0, le=3600, description="How often metrics is asked for views and likes.")
    events_s: float = Field(default=0.5, gt=0, le=60, description="How often waiting events are handed to metrics.")


def code_keys(settings: IncentivesSettings) -> tuple[bytes, ...]:
    """The keys of ticket codes; a local process makes one where its file is missing."""
    return tuple(_key(path, make=settings.local) for path in settings.code_key_files)


def _key(path: Path, *, make: bool) -> bytes:
    if make and not path.exists():
        _make_key(path)
    try:
        return parse_key(read_secret(path))
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ConfigError(msg) from error


def _make_key(path: Path) -> None:
    """Nobody reads half a key: it gets its name when it is whole, and only the first of several that are made does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # only its owner may read it
        file.write(os.urandom(KEY_BYTES).hex())
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)
