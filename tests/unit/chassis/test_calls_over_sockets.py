"""The fused interceptor and the client, over real sockets."""

import asyncio

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis import context, errors, server, transport
from chassis.client import Client, channel
from chassis.config import Settings
from chassis.status import DETAILS_KEY
from chassis.telemetry import Telemetry
from chassis.testing import running_server
from tests.unit.chassis.echo import SERVICE, Echo, EchoServiceStub, Word, registration, words


class WordUnknown(errors.NotFound):
    """There is no such word."""

    reason = "WORD_UNKNOWN"


def raising(error: BaseException):
    async def act(request, call):
        raise error

    return act


async def failure(act, method="GetWord", request=None, **options):
    async with running_server([registration(Echo(act))], **options) as found:
        with pytest.raises(errors.SpotlightError) as caught:
            await Client(EchoServiceStub, found, timeout_s=5).call(method, request or Word(text="hi"))
    return caught.value


async def test_each_of_the_four_kinds_of_method_answers():
    async with running_server([registration(Echo())]) as found:
        client = Client(EchoServiceStub, found)
        assert (await client.call("GetWord", Word(text="hi"))).text == "hi"
        assert (await client.call("JoinWords", words("a", "b"))).text == "a b"
        assert [each.text async for each in client.stream("SplitWord", Word(text="a b"))] == ["a", "b"]
        assert [each.text async for each in client.stream("MirrorWords", words("a", "b"))] == ["a", "b"]


async def test_an_error_of_ours_arrives_as_itself():
    sent = WordUnknown(violations=[errors.Violation("text", "is unknown")], metadata={"word": "hi"}, retry_after_s=1.5)
    error = await failure(raising(sent))
    assert (type(error), error.reason, error.message) == (errors.NotFound, "WORD_UNKNOWN", "There is no such word.")
    assert error.violations == (errors.Violation("text", "is unknown"),)
    assert (error.metadata, error.retry_after_s) == ({"word": "hi"}, 1.5)


async def test_the_first_error_of_ours_in_a_task_group_is_the_answer():
    async def act(request, call):
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(9))
            group.create_task(raising(WordUnknown())(request, call))

    assert (await failure(act)).reason == "WORD_UNKNOWN"


async def test_an_unknown_exception_is_told_only_by_an_id(capsys):
    error = await failure(raising(ValueError("the password is hunter2")))
    assert (type(error), error.reason) == (errors.Internal, "INTERNAL")
    assert "hunter2" not in error.message
    assert error.metadata["error_id"] in error.message


async def test_a_stray_cancellation_is_unavailable_and_does_not_hang():
    async with asyncio.timeout(30):
        error = await failure(raising(asyncio.CancelledError()), method="SetWord")
    assert (type(error), error.reason) == (errors.Unavailable, "INTERRUPTED")


async def test_an_error_of_a_call_inside_keeps_its_reason():
    async def act(request, call):
        async with running_server([registration(Echo(raising(WordUnknown())))]) as inner:
            await EchoServiceStub(inner).GetWord(request)

    assert (await failure(act)).reason == "WORD_UNKNOWN"


async def test_a_servicer_may_abort_by_itself():
    async def act(request, call):
        await call.abort(grpc.StatusCode.OUT_OF_RANGE, "past the end")

    assert type(await failure(act)) is errors.OutOfRange


@pytest.mark.parametrize("method", ["GetWord", "SplitWord"])
async def test_an_invalid_request_is_refused_before_the_servicer_and_names_its_fields(method):
    echo = Echo()
    async with running_server([registration(echo)]) as found:
        with pytest.raises(errors.InvalidArgument) as caught:
            if method == "GetWord":
                await Client(EchoServiceStub, found).call(method, Word(text="x" * 21, names=["a", ""]))
            else:
                async for _ in Client(EchoServiceStub, found).stream(method, Word(text="x" * 21, names=["a", ""])):
                    pass
    assert [each.field for each in caught.value.violations] == ["text", "names[1]"]
    assert "text: " in caught.value.message
    assert echo.calls == 0


async def test_each_message_of_a_stream_is_validated():
    echo = Echo()
    async with running_server([registration(echo)]) as found:
        with pytest.raises(errors.InvalidArgument):
            await Client(EchoServiceStub, found).call("JoinWords", words("ok", "x" * 21))
    assert echo.calls == 1


async def test_bytes_that_are_no_message_are_the_callers_mistake():
    async with running_server([registration(Echo())]) as found:
        raw = found.unary_unary(f"/{SERVICE}/GetWord")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(b"\x0a\x05\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_past_the_limit_is_refused():
    settings = Settings(local=True, message_bytes_max=2048)
    async with running_server([registration(Echo())], settings=settings) as found:
        raw = found.unary_unary(f"/{SERVICE}/GetWord")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(b"\x0a" + b"x" * 4096)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_unknown_method_is_unimplemented():
    async with running_server([registration(Echo())]) as found:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await found.unary_unary(f"/{SERVICE}/GetSentence")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_servers_default_deadline_bounds_a_call_that_brings_none():
    async def act(request, call):
        await asyncio.sleep(30)

    settings = Settings(local=True, deadline_default_s=0.05)
    async with running_server([registration(Echo(act))], settings=settings) as found:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoServiceStub(found).GetWord(Word())
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_deadline_goes_along_to_calls_made_inside_a_call():
    left = []

    async def inner_act(request, call):
        left.append(context.remaining_s())

    async with running_server([registration(Echo(inner_act))]) as inner:

        async def act(request, call):
            await Client(EchoServiceStub, inner, timeout_s=60).call("GetWord", request)

        async with running_server([registration(Echo(act))]) as found:
            await Client(EchoServiceStub, found).call("GetWord", Word(), timeout_s=1.9)
    # gRPC rounds what it sends up by a few hundredths of a second: 1.9 s stays below 2.
    assert 1.0 < left[0] < 2.0


async def test_no_call_is_made_when_no_time_is_left():
    echo = Echo()
    async with running_server([registration(echo)]) as found:
        with context.scope(remaining_s=0.001), pytest.raises(errors.DeadlineExceeded):
            await Client(EchoServiceStub, found).call("GetWord", Word())
    assert echo.calls == 0


async def test_request_id_and_principal_go_along():
    seen = []

    async def act(request, call):
        seen.append((context.request_id(), context.principal()))

    async with running_server([registration(Echo(act))]) as found:
        client = Client(EchoServiceStub, found)
        who = context.Principal.of("ann", ["reviewer", "studio:s1"])
        with context.scope(request_id="r-1", principal=who):
            await client.call("GetWord", Word())
        await client.call("GetWord", Word())
        await EchoServiceStub(found).GetWord(Word(), metadata=((context.REQUEST_ID_KEY, "bad id\u00e9"[:6]),))
    assert seen[0] == ("r-1", who)
    assert seen[0][1].studio_ids == {"s1"}
    assert seen[1][1] == context.NOBODY
    assert len(seen[1][0]) == 26
    assert seen[2][0] != "bad id"


async def test_a_server_may_identify_its_callers_itself():
    def identify(metadata):
        raise errors.Unauthenticated

    assert type(await failure(None, identify=identify)) is errors.Unauthenticated


async def test_calls_past_the_limit_are_shed_with_a_time_to_retry():
    release = asyncio.Event()

    async def act(request, call):
        await release.wait()

    telemetry = Telemetry()
    settings = Settings(local=True, calls_max=2)
    async with running_server([registration(Echo(act))], settings=settings, telemetry=telemetry) as found:
        client = Client(EchoServiceStub, found, timeout_s=5)
        held = [asyncio.create_task(client.call("SetWord", Word())) for _ in range(2)]
        while telemetry.registry.get_sample_value("spotlight_rpc_in_flight", {"method": f"{SERVICE}/SetWord"}) != 2:
            await asyncio.sleep(0.01)
        with pytest.raises(errors.ResourceExhausted) as caught:
            await client.call("SetWord", Word())
        release.set()
        await asyncio.gather(*held)
    assert caught.value.reason == "OVERLOADED"
    assert 0.2 <= caught.value.retry_after_s <= 0.4
    assert telemetry.registry.get_sample_value("spotlight_rpc_shed_total") == 1


async def test_rate_errors_and_duration_are_counted_by_method():
    telemetry = Telemetry()
    echo = Echo()
    async with running_server([registration(echo)], telemetry=telemetry) as found:
        client = Client(EchoServiceStub, found, telemetry=telemetry)
        await client.call("GetWord", Word())
        echo.act = raising(WordUnknown())
        with pytest.raises(errors.NotFound):
            await client.call("GetWord", Word())
    value = telemetry.registry.get_sample_value
    method = f"{SERVICE}/GetWord"
    assert value("spotlight_rpc_handled_total", {"method": method, "code": "OK"}) == 1
    assert value("spotlight_rpc_handled_total", {"method": method, "code": "NOT_FOUND"}) == 1
    assert value("spotlight_rpc_duration_seconds_count", {"method": method}) == 2
    assert value("spotlight_rpc_in_flight", {"method": method}) == 0
    out = {"dependency": "EchoService", "operation": "GetWord", "outcome": "NOT_FOUND"}
    assert value("spotlight_dependency_duration_seconds_count", out) == 1


async def test_a_caller_who_goes_away_cancels_the_handler():
    cancelled = asyncio.Event()

    async def act(request, call):
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    async with running_server([registration(Echo(act))]) as found:
        with pytest.raises(errors.DeadlineExceeded):
            await Client(EchoServiceStub, found).call("GetWord", Word(), timeout_s=0.1)
        await asyncio.wait_for(cancelled.wait(), 30)


async def test_a_stream_left_early_ends_at_the_server():
    telemetry = Telemetry()
    async with running_server([registration(Echo())], telemetry=telemetry) as found:

        async def act(request, call):
            await asyncio.sleep(0.01)

        call = EchoServiceStub(found).SplitWord(Word(text="a b c"))
        assert (await call.read()).text == "a"
        call.cancel()
        labels = {"method": f"{SERVICE}/SplitWord"}
        async with asyncio.timeout(30):
            while telemetry.registry.get_sample_value("spotlight_rpc_in_flight", labels) != 0:
                await asyncio.sleep(0.01)


async def test_a_read_is_repeated_once_when_the_server_was_away():
    echo = Echo()

    async def act(request, call):
        if echo.calls == 1:
            raise errors.Unavailable

    echo.act = act
    async with running_server([registration(echo)]) as found:
        await Client(EchoServiceStub, found).call("GetWord", Word())
        assert echo.calls == 2
        echo.calls = 0
        with pytest.raises(errors.Unavailable):
            await Client(EchoServiceStub, found).call("SetWord", Word())
    assert echo.calls == 1


async def test_an_outage_is_not_answered_with_twice_the_load():
    echo = Echo(raising(errors.Unavailable()))
    async with running_server([registration(echo)]) as found:
        client = Client(EchoServiceStub, found)
        for _ in range(15):
            with pytest.raises(errors.Unavailable):
                await client.call("GetWord", Word())
    assert echo.calls == 25


async def test_nobody_at_the_address_is_unavailable_at_once():
    found = channel("127.0.0.1:1", Settings(local=True))
    with pytest.raises(errors.Unavailable) as caught:
        await Client(EchoServiceStub, found).call("SetWord", Word())
    assert "127.0.0.1" not in caught.value.message
    await found.close()
    with pytest.raises(errors.Unavailable):
        await Client(EchoServiceStub, found).call("SetWord", Word())


async def test_a_stream_brings_errors_of_ours_and_keeps_its_time():
    async with running_server([registration(Echo(raising(WordUnknown())))]) as found:
        client = Client(EchoServiceStub, found, telemetry=Telemetry())
        with pytest.raises(errors.NotFound):
            async for _ in client.stream("SplitWord", Word(text="a")):
                pass

    async def slow(request, call):
        await asyncio.sleep(30)

    async with running_server([registration(Echo(slow))]) as found:
        with pytest.raises(errors.DeadlineExceeded):
            async for _ in Client(EchoServiceStub, found).stream("SplitWord", Word(text="a"), timeout_s=0.1):
                pass
        with context.scope(remaining_s=0.1), pytest.raises(errors.DeadlineExceeded):
            async for _ in Client(EchoServiceStub, found).stream("SplitWord", Word(text="a")):
                pass


async def test_details_are_cut_to_fit_into_metadata():
    many = [errors.Violation(f"field_{n}" * 30, "漢" * 400) for n in range(100)]
    error = await failure(raising(errors.InvalidArgument("漢" * 500, violations=many, metadata={"k": "v" * 900})))
    assert type(error) is errors.InvalidArgument
    assert 1 <= len(error.violations) < 20


async def test_health_tells_the_process_its_services_and_its_dependencies():
    async def mongo():
        raise ConnectionError("no route")

    async with running_server([registration(Echo())], checks={"mongo": mongo, "index": _fine}) as found:
        stub = health_pb2_grpc.HealthStub(found)
        statuses = {}
        for name in ("", SERVICE, "mongo", "index"):
            statuses[name] = (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status
    down, up = health_pb2.HealthCheckResponse.NOT_SERVING, health_pb2.HealthCheckResponse.SERVING
    assert statuses == {"": down, SERVICE: down, "mongo": down, "index": up}


async def _fine():
    return None


async def test_reflection_lists_our_service():
    async with running_server([registration(Echo())]) as found:
        stub = reflection_pb2_grpc.ServerReflectionStub(found)

        async def ask():
            yield reflection_pb2.ServerReflectionRequest(list_services="")

        answers = [each async for each in stub.ServerReflectionInfo(ask())]
    assert SERVICE in [each.name for each in answers[0].list_services_response.service]


async def test_a_busy_port_is_one_sentence():
    first = server.build_server(Settings(local=True), [registration(Echo())], telemetry=Telemetry())
    with pytest.raises(server.PortBusy, match="is taken"):
        server.build_server(Settings(local=True, port=first.port), [registration(Echo())], telemetry=Telemetry())
    await first.server.stop(0)


async def test_draining_waits_for_the_last_line_of_every_handler():
    started, last_line = asyncio.Event(), []

    async def act(request, call):
        try:
            started.set()
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.05)
            last_line.append(True)

    settings = Settings(local=True)
    built = server.build_server(settings, [registration(Echo(act))], telemetry=Telemetry())
    await built.server.start()
    found = channel(f"127.0.0.1:{built.port}", settings)
    held = asyncio.create_task(Client(EchoServiceStub, found, timeout_s=5).call("SetWord", Word()))
    await started.wait()
    await server.drain(built, 0.05)
    assert last_line == [True]
    with pytest.raises(errors.SpotlightError):
        await held
    await found.close()


async def test_plaintext_is_only_for_loopback_in_local_mode():
    for settings in (Settings(), Settings(local=True, host="0.0.0.0"), Settings(local=True, host="example.org")):
        with pytest.raises(transport.Insecure):
            server.build_server(settings, [], telemetry=Telemetry())


def test_the_details_key_is_the_one_grpc_knows():
    from grpc_status import rpc_status

    assert rpc_status.GRPC_DETAILS_METADATA_KEY == DETAILS_KEY
