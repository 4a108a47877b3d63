"""A small client of the HTTP API, typed by the service's own contracts."""

from nascar_assets.client.client import Client, JobFailed, Refused, Unavailable
from nascar_assets.client.webhooks import verify_webhook

__all__ = ["Client", "JobFailed", "Refused", "Unavailable", "verify_webhook"]
