"""The load generator of the service's benchmark: a process of its own, requests at a fixed rate."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import httpx


async def at_a_rate(
    url: str, method: str, path: str | list[str], body: Any, rate: float, seconds: float
) -> dict[str, Any]:
    """Sends requests when they are due, whether earlier ones were answered or not.

    Several paths are asked in turn. Latency counts from the moment a request was due, so that a
    server that stalls cannot hide it.
    """
    taken: list[float] = []
    statuses: list[int] = []
    ids: list[str] = []
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        paths = [path] if isinstance(path, str) else path

        async def one(number: int, due: float) -> None:
            answer = await client.request(method, paths[number % len(paths)], json=body)
            taken.append(time.perf_counter() - due)
            statuses.append(answer.status_code)
            if method == "POST" and answer.status_code == 200:
                ids.append(answer.json()["run_id"])

        await client.get("/health")
        begin = time.perf_counter()
        tasks = []
        for number in range(int(rate * seconds)):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(number, due)))
        await asyncio.gather(*tasks)
    return {"seconds": taken, "statuses": statuses, "run_ids": ids}


def main() -> None:
    """Reads what to do from standard input and writes what it measured to standard output."""
    asked = json.loads(sys.stdin.read())
    sys.stdout.write(json.dumps(asyncio.run(at_a_rate(**asked))))


if __name__ == "__main__":
    main()
