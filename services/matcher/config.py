"""The settings of a matcher process."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.config import Settings


class MatcherSettings(Settings):
    """Read from SPOTLIGHT_MATCHER_*."""

    prefix: ClassVar[str] = "SPOTLIGHT_MATCHER_"

    port: int = Field(default=8083, ge=0, le=65535, description="The gRPC port; 0 takes a free one.")
    telemetry_port: int = Field(default=8093, ge=0, le=65535, description="Where /metrics is served; 0: a free port.")
    database: str = Field(
        default="spotlight_matcher", pattern=r"^[a-z0-9_]{1,60}$", description="Its MongoDB database."
    )
    catalog_address: str = Field(default="127.0.0.1:8082", description="Where the catalog answers.")
    index_folder: Path = Field(
        default=Path("var/matcher"), description="Where the index is saved, so that a restart is quick."
    )
    rematch_videos_per_s: int = Field(
        default=4_000, ge=1, le=1_000_000, description="Stored videos matched again a second, in the background."
    )
    weights_file: Path | None = Field(
        default=None,
        description="Weights of the text model; empty: those of this release. An older file rolls the model back.",
    )
    frame_model_file: Path | None = Field(
        default=None, description="An ONNX frame model for pixels sent with videos; empty: PDQ only."
    )
    frame_model_name: str = Field(
        default="", max_length=128, description="The name under which its vectors are compared."
    )
    has_likeness_checks: bool = Field(
        default=True,
        description="Whether doubtful likenesses of submitted pixels are compared with the reference's picture, later.",
    )
    screen_text_share: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="Share of videos with pixels whose screen is read, later (needs requirements/ocr.txt).",
    )
    frame_picture_days: int = Field(
        default=30, ge=0, le=3_650, description="Days for which reviewers see small pictures of evidence; 0: never."
    )
    frame_picture_videos_max: int = Field(
        default=100_000, ge=1, description="Videos whose pictures are kept, at most 64 kB each; the oldest go first."
    )
