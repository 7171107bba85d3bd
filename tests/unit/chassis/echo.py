"""A small service for the chassis's own tests: described in Python, so that it needs no proto of ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from chassis.server import Registration
from protos.buf.validate import validate_pb2

SERVICE = "spotlight.echo.v1.EchoService"
FieldType = descriptor_pb2.FieldDescriptorProto


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/echo.proto",
        package="spotlight.echo.v1",
        syntax="proto3",
        dependency=["buf/validate/validate.proto"],
    )
    word = file.message_type.add(name="Word")
    text = word.field.add(name="text", number=1, type=FieldType.TYPE_STRING, label=FieldType.LABEL_OPTIONAL)
    text.options.Extensions[validate_pb2.field].string.max_len = 20
    names = word.field.add(name="names", number=2, type=FieldType.TYPE_STRING, label=FieldType.LABEL_REPEATED)
    names.options.Extensions[validate_pb2.field].repeated.items.string.min_len = 1
    service = file.service.add(name="EchoService")
    for name, asks_stream, answers_stream in (
        ("GetWord", False, False),
        ("SetWord", False, False),
        ("JoinWords", True, False),
        ("SplitWord", False, True),
        ("MirrorWords", True, True),
    ):
        service.method.add(
            name=name,
            input_type=".spotlight.echo.v1.Word",
            output_type=".spotlight.echo.v1.Word",
            client_streaming=asks_stream,
            server_streaming=answers_stream,
        )
    return file


descriptor_pool.Default().Add(_file())
Word: Any = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("spotlight.echo.v1.Word"))

Act = Callable[[Any, Any], Awaitable[Any]]


class Echo:
    """What a call does is what the test puts into `act`."""

    def __init__(self, act: Act | None = None) -> None:
        self.act = act
        self.calls = 0
        self.finished = asyncio.Event()

    async def _answer(self, request: Any, call: Any) -> Any:
        self.calls += 1
        if self.act is None:
            return request
        return await self.act(request, call) or request

    async def get_word(self, request: Any, call: Any) -> Any:
        return await self._answer(request, call)

    async def join_words(self, requests: AsyncIterator[Any], call: Any) -> Any:
        texts = [(await self._answer(request, call)).text async for request in requests]
        return Word(text=" ".join(texts))

    async def split_word(self, request: Any, call: Any) -> AsyncIterator[Any]:
        for text in request.text.split():
            yield await self._answer(Word(text=text), call)

    async def mirror_words(self, requests: AsyncIterator[Any], call: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield await self._answer(request, call)


def add_to_server(echo: Echo, server: grpc.aio.Server) -> None:
    codec = {"request_deserializer": Word.FromString, "response_serializer": Word.SerializeToString}
    handlers = {
        "GetWord": grpc.unary_unary_rpc_method_handler(echo.get_word, **codec),
        "SetWord": grpc.unary_unary_rpc_method_handler(echo.get_word, **codec),
        "JoinWords": grpc.stream_unary_rpc_method_handler(echo.join_words, **codec),
        "SplitWord": grpc.unary_stream_rpc_method_handler(echo.split_word, **codec),
        "MirrorWords": grpc.stream_stream_rpc_method_handler(echo.mirror_words, **codec),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def registration(echo: Echo) -> Registration:
    return Registration(add_to_server, echo, SERVICE)


class EchoServiceStub:
    """Called like a generated stub."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        codec = {"request_serializer": Word.SerializeToString, "response_deserializer": Word.FromString}
        self.GetWord = channel.unary_unary(f"/{SERVICE}/GetWord", **codec)
        self.SetWord = channel.unary_unary(f"/{SERVICE}/SetWord", **codec)
        self.JoinWords = channel.stream_unary(f"/{SERVICE}/JoinWords", **codec)
        self.SplitWord = channel.unary_stream(f"/{SERVICE}/SplitWord", **codec)
        self.MirrorWords = channel.stream_stream(f"/{SERVICE}/MirrorWords", **codec)


async def words(*texts: str) -> AsyncIterator[Any]:
    for text in texts:
        yield Word(text=text)
