import asyncio
import random
import socket

import pytest

from chassis import redis
from chassis.embedded import free_port
from chassis.telemetry import Telemetry

PATIENT_S = 30.0  # where the time of an answer is not what is tested


async def test_cancelled_commands_never_leave_their_reply_to_the_next_caller(redis_url):
    client = redis.connect(redis_url, connections_max=8, timeout_s=PATIENT_S)
    await client.mset({f"k{n}": str(n) for n in range(50)})
    chance = random.Random(7)

    async def read(n):
        return await client.get(f"k{n}")

    for _ in range(200):
        tasks = [asyncio.create_task(read(n)) for n in range(5)]
        await asyncio.sleep(chance.random() * 0.002)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        n = chance.randrange(50)
        assert await read(n) == str(n).encode()
    await client.aclose()


async def test_the_breaker_opens_after_three_failures_and_closes_when_redis_is_back():
    now = [0.0]
    telemetry = Telemetry()
    breaker = redis.Breaker(telemetry, monotonic=lambda: now[0])
    down = redis.connect(f"redis://127.0.0.1:{free_port()}")
    for _ in range(3):
        with pytest.raises(redis.RedisUnavailable):
            await breaker.call(down.ping)
    assert breaker.is_open
    assert telemetry.registry.get_sample_value("spotlight_redis_breaker_open") == 1

    async def never():
        raise AssertionError

    async def at_once():
        return True

    with pytest.raises(redis.RedisUnavailable):
        await breaker.call(never)
    now[0] = 0.6
    assert await breaker.call(at_once)
    assert not breaker.is_open
    assert await breaker.call(at_once)
    await down.aclose()


async def test_a_server_that_never_answers_costs_fifty_milliseconds():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = redis.connect(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        start = asyncio.get_running_loop().time()
        with pytest.raises(redis.RedisUnavailable):
            await redis.Breaker().call(client.ping)
        assert asyncio.get_running_loop().time() - start < 3  # the driver's own default waits for ever
        with pytest.raises(redis.RedisUnavailable):
            await redis.ping(client)
        await client.aclose()


async def test_a_consumer_waits_as_long_as_there_is_nothing(redis_url):
    client = redis.connect_consumer(redis_url)
    await redis.ping(client)
    waiting = asyncio.create_task(client.blpop(["queue"], timeout=0))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await redis.connect(redis_url, timeout_s=PATIENT_S).rpush("queue", "x")
    assert (await waiting)[1] == b"x"
    await client.aclose()
