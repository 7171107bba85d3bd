"""The options of both ends of a gRPC connection, in one file because they only work together.

A server refuses pings that come more often than it allows (GOAWAY too_many_pings), so the client's 30 s and
the server's 20 s belong side by side.
"""

import grpc

from chassis.config import ConfigError, Settings, read_secret

PING_EVERY_MS = 30_000
PING_TIMEOUT_MS = 10_000
PING_ACCEPTED_MS = 20_000
# Measured: an outage is over after 0.7 s instead of 2.9 s with the defaults.
RECONNECT_MIN_MS = 100
RECONNECT_MAX_MS = 1_000
METADATA_BYTES_MAX = 16_384
# One kept-alive channel stays with one of several processes on a port: new connections spread the load.
CONNECTION_AGE_MS = 600_000

Options = list[tuple[str, int | str]]


class Insecure(ConfigError):
    """Plaintext is for loopback in local mode: set the tls_* files, or local=true with a loopback host."""


def _shared(settings: Settings) -> Options:
    return [
        ("grpc.max_receive_message_length", settings.message_bytes_max),
        ("grpc.max_send_message_length", settings.message_bytes_max),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES_MAX),
        ("grpc.keepalive_time_ms", PING_EVERY_MS),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def server_options(settings: Settings) -> Options:
    return [
        *_shared(settings),
        # A second server would bind the same port silently.
        ("grpc.so_reuseport", int(settings.reuse_port)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_ACCEPTED_MS),
        ("grpc.http2.max_ping_strikes", 3),
        ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
        # The core spreads the age by a tenth; streams under way finish on the old connection.
    ]


def client_options(settings: Settings) -> Options:
    return [
        *_shared(settings),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MIN_MS),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MIN_MS),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MAX_MS),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.lb_policy_name", "round_robin"),
        # Retries are chassis.client's: only reads, only while there is time.
        ("grpc.enable_retries", 0),
    ]


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """MTLS when certificates are configured; None means plaintext, which only a local process may serve."""
    if not settings.uses_tls:
        if not (settings.local and settings.is_loopback):
            raise Insecure(Insecure.__doc__)
        return None
    key, certificate, authority = _pem(settings)
    return grpc.ssl_server_credentials([(key, certificate)], root_certificates=authority, require_client_auth=True)


def channel_credentials(settings: Settings) -> grpc.ChannelCredentials | None:
    if not settings.uses_tls:
        return None
    key, certificate, authority = _pem(settings)
    return grpc.ssl_channel_credentials(authority, key, certificate)


def _pem(settings: Settings) -> tuple[bytes, bytes, bytes]:
    key, certificate, authority = settings.tls_key_file, settings.tls_cert_file, settings.tls_ca_file
    assert key is not None, "the settings give all three files or none"
    assert certificate is not None, "likewise"
    assert authority is not None, "likewise"
    return read_secret(key), read_secret(certificate), read_secret(authority)
