"""What a client raises, whatever answers in the service's place."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from nascar_assets.client import AsyncClient, Client, Refused, Unavailable, slates

PAGE = {"Content-Type": "text/plain; charset=utf-8"}
NOT_READY = {"ready": False, "graph": "up", "storage": "gone", "workers": "1 ready"}


def transport_of(answer) -> httpx.MockTransport:
    """Every request gets an answer of this status and content, or this error."""

    def send(_):
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer[0], content=answer[1], headers=PAGE)

    return httpx.MockTransport(send)


def client_of(answer, retries: int = 0) -> Client:
    made = Client("http://x", retries=retries)
    made._http = httpx.Client(base_url="http://x", transport=transport_of(answer))
    return made


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.ConnectError("refused"), Unavailable),
        (httpx.ReadTimeout("late"), Unavailable),
        (httpx.DecodingError("no gzip"), Unavailable),
        ((429, b'{"code": "RATE_LIMITED", "message": "m"}'), Refused),
        ((200, b"<html>log in</html>"), Refused),
        ((202, b"{}"), Refused),
        ((307, b""), Refused),
        ((502, b"<html>"), Unavailable),
    ],
)
def test_nothing_but_what_is_documented_is_raised(answer, kind):
    files = (slates.upload("s"), slates.report("s"), slates.file("r"))
    calls = (slates.slates(), slates.result("r"), slates.add(b"", "x.csv"), *files)
    asks = [lambda client, call=call: client.call(call) for call in calls]
    for ask in (*asks, Client.ready, Client.jobs):
        with client_of(answer) as client, pytest.raises(Refused) as caught:
            ask(client)
        assert type(caught.value) is kind

    async def ask_at_once():
        async with AsyncClient("http://x", transport=transport_of(answer)) as client:
            await client.call(slates.slates())

    with pytest.raises(Refused) as caught:
        asyncio.run(ask_at_once())
    assert type(caught.value) is kind


def test_a_file_is_taken_in_its_own_media_type():
    def send(_):
        return httpx.Response(200, text="D,D", headers={"Content-Type": "text/csv; charset=utf-8"})

    with client_of((200, b"")) as client:
        client._http = httpx.Client(base_url="http://x", transport=httpx.MockTransport(send))
        assert client.call(slates.upload("s")) == b"D,D"
        with pytest.raises(Refused, match="NO_ANSWER"):
            client.call(slates.report("s"))


@pytest.mark.parametrize("follow", [AsyncClient.follow, AsyncClient.follow_race])
def test_an_event_that_is_not_the_services_own_is_refused(follow):
    async def ask():
        transport = transport_of((200, b'event: status\ndata: {"x": 1}\n\n'))
        async with AsyncClient("http://x", transport=transport) as client:
            async for _ in follow(client, "r"):
                pass

    with pytest.raises(Refused, match="NO_ANSWER"):
        asyncio.run(ask())


def test_a_service_that_is_not_ready_says_which_part():
    with client_of((503, json.dumps(NOT_READY).encode()), retries=5) as client:
        found = client.ready()
    assert (found.ready, found.storage) == (False, "gone")


def test_fewer_retries_than_none_are_refused():
    with pytest.raises(ValueError, match="-1"):
        Client("http://x", retries=-1)
