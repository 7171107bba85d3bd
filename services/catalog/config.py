"""The settings of a catalog process."""

from typing import ClassVar

from pydantic import Field

from chassis.config import Settings


class CatalogSettings(Settings):
    """Read from SPOTLIGHT_CATALOG_*."""

    prefix: ClassVar[str] = "SPOTLIGHT_CATALOG_"

    port: int = Field(default=8082, ge=0, le=65535, description="The gRPC port; 0 takes a free one.")
    telemetry_port: int = Field(default=8092, ge=0, le=65535, description="Where /metrics is served; 0: a free port.")
    database: str = Field(
        default="spotlight_catalog", pattern=r"^[a-z0-9_]{1,60}$", description="Its MongoDB database."
    )
