"""The settings of the metrics process."""

from typing import ClassVar

from pydantic import Field

from chassis.config import Settings


class MetricsSettings(Settings):
    """What the metrics process is told."""

    prefix: ClassVar[str] = "SPOTLIGHT_METRICS_"

    database: str = Field(default="spotlight_metrics", description="The database to use.")
    catalog_address: str = Field(default="127.0.0.1:8082", description="Where catalog answers.")
    viewers_min: int = Field(
        default=10, ge=2, le=30, description="The least number of distinct viewers a shown number stands for."
    )
    pending_events_max: int = Field(
        default=200_000, ge=1_000, description="Events that may wait for the log before batches are refused."
    )
    titles_max: int = Field(
        default=2_000_000, ge=1, le=16_000_000, description="Titles events are taken for; later ones are rejected."
    )
    page_cache_bytes_max: int = Field(
        default=64 * 2**20, ge=2**20, description="Memory for decoded pages of stored rollups."
    )
    insights_every_s: float = Field(
        default=60.0,
        gt=0,
        le=3_600,
        description="How often spikes and insights are looked for; those of new titles within seconds.",
    )
