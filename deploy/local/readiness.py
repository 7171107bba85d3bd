"""Whether a process serves: gRPC health for those that speak it, HTTP readiness for the gateway, a port for stores."""

import asyncio
import http.client

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import embedded
from deploy.local.plan import HOST, Plan, Process

PROBE_S = 1.0
POLL_S = 0.2


async def is_serving(process: Process) -> bool:
    if process.is_store:
        return all([await asyncio.to_thread(embedded.is_listening, port) for port in process.ports.values()])
    assert process.grpc_port is not None, "what is no store speaks gRPC"
    if not await _says_serving(process.grpc_port):
        return False
    http_port = process.ports.get("http")
    return http_port is None or await asyncio.to_thread(_is_http_ready, http_port)


async def _says_serving(port: int) -> bool:
    async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]  # its stubs lack it
                health_pb2.HealthCheckRequest(), timeout=PROBE_S, wait_for_ready=False
            )
        except grpc.aio.AioRpcError:
            return False
    found: bool = answer.status == health_pb2.HealthCheckResponse.SERVING
    return found


def _is_http_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


async def states(plan: Plan) -> dict[str, bool]:
    """Which processes serve at this moment."""
    results = await asyncio.gather(*(is_serving(process) for process in plan.processes))
    return {process.name: serves for process, serves in zip(plan.processes, results, strict=True)}
