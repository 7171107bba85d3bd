"""Spans that are children of their callers, and certificates that decide who may call."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.openmetrics.exposition import generate_latest

from chassis import errors, server
from chassis.client import Client, channel
from chassis.config import Settings
from chassis.telemetry import Telemetry
from chassis.tracing import OtlpTracing
from tests.unit.chassis.echo import Echo, EchoServiceStub, Word, registration

LOCAL = Settings(local=True)


async def called(act, *, tracing, telemetry=None):
    telemetry = telemetry or Telemetry()
    built = server.build_server(LOCAL, [registration(Echo(act))], telemetry=telemetry, tracing=tracing)
    await built.server.start()
    found = channel(f"127.0.0.1:{built.port}", LOCAL)
    try:
        return await Client(EchoServiceStub, found, tracing=tracing).call("SetWord", Word())
    finally:
        await found.close()
        await built.server.stop(0)


async def test_a_call_inside_a_call_is_a_child_span_and_errors_are_marked():
    exporter = InMemorySpanExporter()
    tracing = OtlpTracing("t", SimpleSpanProcessor(exporter))

    async def inner(request, call):
        raise errors.Unavailable

    async def outer(request, call):
        with pytest.raises(errors.Unavailable):
            await called(inner, tracing=tracing)

    telemetry = Telemetry()
    await called(outer, tracing=tracing, telemetry=telemetry)
    child, parent = exporter.get_finished_spans()
    assert child.parent.span_id == parent.context.span_id
    assert (child.status.is_ok, parent.status.is_unset) == (False, True)
    assert parent.attributes["rpc.grpc.status_code"] == "OK"
    assert f"{parent.context.trace_id:032x}".encode() in generate_latest(telemetry.registry)
    tracing.close()


def write_pem(folder, name, key, certificate):
    folder.joinpath(f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    folder.joinpath(f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def a_certificate(name, key, *, issuer, issuer_key, is_authority=False):
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name), x509.DNSName("localhost")]), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture
def certified(tmp_path):
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = a_certificate("ca", ca_key, issuer=None, issuer_key=ca_key, is_authority=True)
    write_pem(tmp_path, "ca", ca_key, ca)

    def settings(name, **options):
        key = ec.generate_private_key(ec.SECP256R1())
        write_pem(tmp_path, name, key, a_certificate(name, key, issuer=ca.subject, issuer_key=ca_key))
        return Settings(
            tls_cert_file=tmp_path / f"{name}.pem",
            tls_key_file=tmp_path / f"{name}.key",
            tls_ca_file=tmp_path / "ca.pem",
            **options,
        )

    return settings


async def test_only_peers_on_the_list_may_call(certified):
    own = certified("catalog", tls_peer_names=("gateway", "matcher"))
    built = server.build_server(own, [registration(Echo())], telemetry=Telemetry())
    await built.server.start()
    address = f"localhost:{built.port}"
    for settings, refused in (
        (certified("gateway"), None),
        (certified("stranger"), errors.PermissionDenied),
        (LOCAL, errors.Unavailable),
    ):
        found = channel(address, settings)
        client = Client(EchoServiceStub, found, timeout_s=3)
        if refused is None:
            assert (await client.call("SetWord", Word(text="hi"))).text == "hi"
        else:
            with pytest.raises(refused):
                await client.call("SetWord", Word())
        await found.close()
    await built.server.stop(0)
