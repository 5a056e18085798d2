"""Open-loop load over HTTP: requests come when they come, by a Poisson process, whether or not earlier ones are
answered. A client that waits for its answer before it asks again would hide the queue, which is what a limit on
latency is about.

Plain asyncio on bytes that are made before the clock runs, since the client shares the processors with the server.
"""

import asyncio
import contextlib
import json
import random
import time
import typing

LIMIT_MS = 100
# After this long a request has no reply.
PATIENCE = 60


def request(path, body):
    """The bytes of a POST."""
    data = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            ).encode() + data


class Connection(asyncio.Protocol):
    """One connection, with one request on its way at a time."""

    def __init__(self):
        self.answered, self.buffer = None, bytearray()

    def connection_made(self, transport):
        self.transport = transport

    def send(self, data, answered):
        self.answered = answered
        self.buffer.clear()
        self.transport.write(data)

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or self.answered is None:
            return
        head = bytes(self.buffer[:end]).lower()
        start = head.find(b"content-length:")
        if start >= 0:
            length = int(head[start + 15:].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + length:
                return
        elif not self.buffer.endswith(b"0\r\n\r\n"):
            return
        if b"connection: close" in head:
            # Nothing more is sent on it.
            self.transport.close()
        answered, self.answered = self.answered, None
        answered(self, int(head[9:12]), bytes(self.buffer[end + 4:]))

    def connection_lost(self, _):
        if self.answered is not None:
            answered, self.answered = self.answered, None
            answered(None, 0, b"")


class Offered(typing.NamedTuple):
    """What became of a load."""

    seconds: float
    """How long sending took: more than planned where the client did not keep up."""
    answers: list
    """Of every request its status, 0 for none, and its latency in ms."""


class Load:
    """Connections to a server that are kept from trial to trial."""

    def __init__(self, port, requests, limit_ms=LIMIT_MS):
        self.port, self.requests, self.limit_ms, self.free = port, requests, limit_ms, []

    async def connection(self):
        while self.free:
            connection = self.free.pop()
            if not connection.transport.is_closing():
                return connection
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self.port)
        return connection

    async def ask(self, data):
        """One request: status and body; 0 where there is no reply, or nobody listens."""
        done = asyncio.get_running_loop().create_future()
        try:
            connection = await self.connection()
        except OSError:
            return 0, b""

        def answered(connection, status, body):
            if connection:
                self.free.append(connection)
            if not done.done():
                done.set_result((status, body))

        connection.send(data, answered)
        return await done

    async def capacity(self, seconds, clients=8):
        """Answers a second to clients that ask as soon as they are answered."""
        end, counts = time.perf_counter() + seconds, [0] * clients

        async def client(number):
            chance = random.Random(number)
            while time.perf_counter() < end:
                status, body = await self.ask(chance.choice(self.requests))
                if status != 200:
                    raise RuntimeError(f"status {status}: {body[:200]!r}")
                counts[number] += 1

        await asyncio.gather(*(client(number) for number in range(clients)))
        return sum(counts) / seconds

    async def offer(self, rate, seconds, seed, connections=None):
        """`rate` requests a second for `seconds`, whatever becomes of them. Of at most so many `connections` a request
        waits for one, within its latency."""
        chance, answers, tasks = random.Random(seed), [], set()
        gate = asyncio.Semaphore(connections) if connections else contextlib.nullcontext()
        start, moment = time.perf_counter(), 0.0

        async def one(planned):
            status = 0
            try:
                async with gate:
                    status, _ = await self.ask(chance.choice(self.requests))
            finally:
                answers.append((status, 1000 * (time.perf_counter() - start - planned)))

        while (moment := moment + chance.expovariate(rate)) < seconds:
            await asyncio.sleep(max(0, start + moment - time.perf_counter()))
            task = asyncio.create_task(one(moment))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        took = max(seconds, time.perf_counter() - start)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        return Offered(took, answers)

    async def trial(self, rate, seconds, seed, settle=1.0):
        """Latencies in ms of what came after `settle` seconds, at `rate` a second for `seconds`; None for each request
        without an answer. Ends early when more than one in a hundred is over the limit, whatever would follow."""
        chance, times, asked = random.Random(seed), [], []
        late_at_most, late = 0.01 * rate * seconds, 0
        start = time.perf_counter()
        moment = 0.0

        async def one(planned):
            nonlocal late
            status, _ = await self.ask(chance.choice(self.requests))
            milliseconds = 1000 * (time.perf_counter() - start - planned) if status == 200 else None
            if planned >= settle:
                times.append(milliseconds)
                late += milliseconds is None or milliseconds > self.limit_ms

        while moment < settle + seconds and late <= late_at_most:
            moment += chance.expovariate(rate)
            await asyncio.sleep(max(0, start + moment - time.perf_counter()))
            asked.append(asyncio.create_task(one(moment)))
        await asyncio.gather(*asked)
        return times


def percentile(times, part):
    times = sorted(float("inf") if value is None else value for value in times)
    return times[min(len(times) - 1, int(part * len(times)))]


async def highest_rate(load, steps, answers, longest, note):
    """The highest rate at which 99 of 100 answers come within the limit, by bisection below what clients in a closed
    loop get; (rate, p50, p99). A trial has about `answers` answers, and from 5 to `longest` seconds. What two of three
    trials say of a rate holds, since one disturbance of the machine would otherwise bound all rates after it."""
    await load.capacity(1)
    top = 1.1 * await load.capacity(2)
    best, low, high = (0.0, 0.0, 0.0), 0.0, top
    for step in range(steps):
        rate, passed, failed = (low + high) / 2, [], 0
        while len(passed) < 2 and failed < 2:
            times = await load.trial(rate, min(longest, max(5, answers / rate)), seed=3 * step + len(passed) + failed)
            p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
            passes = p99 <= load.limit_ms
            note(f"  {rate:.1f} a second: p50 {p50:.1f} ms, p99 {p99:.1f} ms{'' if passes else ', too late'}")
            if passes:
                passed.append((rate, p50, p99))
            else:
                failed += 1
                # What was late is answered before the next trial.
                await asyncio.sleep(0.5)
        if len(passed) == 2:
            best, low = max(passed, key=lambda trial: trial[2]), rate
        else:
            high = rate
    return best
