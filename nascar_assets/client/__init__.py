"""A small client of the HTTP API, typed by the service's own contracts."""

from nascar_assets.client import races, slates, views
from nascar_assets.client.asynchronous import AsyncClient
from nascar_assets.client.calls import Call, Refused, Unavailable
from nascar_assets.client.client import Client, JobFailed
from nascar_assets.client.webhooks import verify_webhook

__all__ = [
    "AsyncClient",
    "Call",
    "Client",
    "JobFailed",
    "Refused",
    "Unavailable",
    "races",
    "slates",
    "verify_webhook",
    "views",
]
