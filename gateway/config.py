"""The settings of the gateway process."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.config import Settings


class GatewaySettings(Settings):
    """What the gateway is told beside what every process is told. `port` is the gRPC port."""

    prefix: ClassVar[str] = "SPOTLIGHT_GATEWAY_"

    http_port: int = Field(default=0, ge=0, le=65535, description="The HTTP port; 0 takes a free one.")
    http_is_https: bool = Field(default=False, description="A proxy in front speaks HTTPS: cookies are Secure.")
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", description="The Redis of hot hubs and rate buckets.")
    catalog_address: str = Field(default="127.0.0.1:8082", description="Where catalog answers.")
    matcher_address: str = Field(default="127.0.0.1:8083", description="Where matcher answers.")
    incentives_address: str = Field(default="127.0.0.1:8084", description="Where incentives answers.")
    metrics_address: str = Field(default="127.0.0.1:8085", description="Where metrics answers.")

    hub_soft_s: float = Field(
        default=20.0, gt=0, le=600, description="Age at which a hub is refreshed behind its back."
    )
    hub_stale_max_s: float = Field(
        default=300.0, ge=0, le=3600, description="How much older it may get and still be shown at once."
    )
    hub_hard_s: float = Field(
        default=3600.0, gt=0, le=86400, description="Age up to which a copy stands in while catalog is away."
    )
    hub_negative_s: float = Field(default=3.0, gt=0, le=5, description="How long a refusal is remembered.")
    hub_panel_s: float = Field(default=0.4, gt=0, le=5, description="What one panel's service may take.")
    hub_title_s: float = Field(default=1.0, gt=0, le=5, description="What catalog may take for the title.")
    near_cache_bytes_max: int = Field(default=64 * 2**20, ge=2**20, description="Size of this process's own cache.")
    anchor_near_s: float = Field(
        default=1.0, ge=0, le=3, description="How long anchors are kept near; 0 asks matcher every time."
    )

    body_bytes_max: int = Field(default=2**20, ge=1024, description="The largest request body.")
    match_body_bytes_max: int = Field(
        default=32 * 2**20, ge=1024, description="The largest body of calls that carry frames or videos."
    )
    connections_max: int = Field(default=1024, ge=1, description="HTTP requests under way at once.")
    message_bytes_max: int = Field(default=40 * 2**20, ge=1024, description="The largest gRPC message taken or sent.")

    rate_app_per_min: int = Field(default=600_000, ge=1, description="Requests of an app backend's key.")
    rate_person_per_min: int = Field(default=1_200, ge=1, description="Requests of a studio, reviewer or creator.")
    rate_anonymous_per_min: int = Field(default=600, ge=1, description="Page views of one address without a token.")
    rate_login_per_min: int = Field(default=20, ge=1, description="Sign-in tries of one address.")

    jwks_refresh_s: float = Field(default=300.0, gt=0, le=86400, description="How often keys are fetched anew.")
    jwks_file: Path | None = Field(default=None, description="Public keys that sign tokens (JWKS).")
    jwks_url: str = Field(
        default="", pattern="^(https?://.+)?$", description="Where those keys are fetched, instead of a file."
    )
    jwt_secret_file: Path | None = Field(default=None, description="HS256 key; local mode only.")
    jwt_issuer: str = Field(default="", description="The issuer tokens must name; empty: any.")
    jwt_audience: str = Field(default="", description="The audience tokens must name; empty: any.")
    api_keys_file: Path | None = Field(default=None, description="Hashed API keys of app backends.")
    session_key_file: Path | None = Field(
        default=None, description="The key that signs page sessions; none: a new one."
    )
