"""Tells people what went wrong: in the log, to a web address, by mail, as the environment says.

`NASCAR_NOTIFY_WEBHOOK` is a URL that gets the message as JSON (`text`, `subject`, `run_id` and
`link`).
`NASCAR_UI_URL` is where people reach the UI; `nascar ui` sets it for its daemon where it is unset.
`NASCAR_NOTIFY_MAIL_TO` are addresses, with `NASCAR_NOTIFY_MAIL_SERVER` as
`smtp://user:password@host:587` (or `smtps://`) and `NASCAR_NOTIFY_MAIL_FROM`. What is set is used;
the log is always used. Passwords come from the environment alone and appear in no message.
"""

from __future__ import annotations

import logging
import os
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from nascar_assets.errors import InputError
from nascar_assets.visible import visible

TIMEOUT_SECONDS = 10.0
UI_URL = "NASCAR_UI_URL"
WEBHOOK, MAIL_SERVER = "NASCAR_NOTIFY_WEBHOOK", "NASCAR_NOTIFY_MAIL_SERVER"

_WEB = {"https": "host", "http": "host"}
_MAIL = {"smtp": "host:587", "smtps": "host:465"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know; its texts hold nothing that steers a terminal or a mail.

    Attributes:
        subject: One line: what happened to what.
        text: Why, and what to do.
        run_id: The run that it is about, if any.
        link: The page of the UI that shows it, where its address is known (`ui_link`).
    """

    subject: str
    text: str
    run_id: str | None = None
    link: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", visible(self.subject))
        lines = [visible(line) for line in self.text.split("\n")]
        object.__setattr__(self, "text", "\n".join(lines))

    @property
    def body(self) -> str:
        """The text with the link below it."""
        return f"{self.text}\n{self.link}" if self.link else self.text


def ui_link(*path: str, **query: str) -> str | None:
    """The address of a page of Dagster's UI; none where nothing says where people reach the UI."""
    base = os.environ.get(UI_URL, "").rstrip("/")
    if not base:
        return None
    page = "/".join(quote(part, safe="") for part in path)
    return f"{base}/{page}{'?' + urlencode(query) if query else ''}"


class Notifier(Protocol):
    """A way to tell people."""

    def notify(self, notice: Notice) -> None:
        """Tells; raises where it cannot."""


@dataclass(frozen=True)
class LogNotifier:
    """Writes notices to a log: the module's own where none is given."""

    log: Any = log

    def notify(self, notice: Notice) -> None:
        """Writes one line at the level of a warning."""
        self.log.warning("%s: %s", notice.subject, notice.body)


@dataclass(frozen=True, repr=False)  # an address may hold a password
class WebhookNotifier:
    """Posts notices as JSON to a URL, as Slack, Mattermost, Teams and ntfy take them."""

    url: str

    def notify(self, notice: Notice) -> None:
        """Posts one JSON object.

        Raises:
            httpx.HTTPError: If the server cannot be reached or does not take it.
        """
        import httpx

        body = {
            "text": _no_links(f"{notice.subject}\n{notice.body}"),
            "subject": _no_links(notice.subject),
            "run_id": notice.run_id,
            "link": notice.link,
        }
        httpx.post(self.url, json=body, timeout=TIMEOUT_SECONDS).raise_for_status()


def _no_links(text: str) -> str:
    """The text with what chat servers take for links, images and markup taken apart."""
    return text.replace("](", "] (").replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}")


@dataclass(frozen=True, repr=False)
class MailNotifier:
    """Sends notices by mail.

    Attributes:
        server: `smtp://[user:password@]host[:port]` (STARTTLS where the server offers it) or
            `smtps://...`.
        sender: The sender's address.
        to: Addresses.
    """

    server: str
    sender: str
    to: Sequence[str]

    def notify(self, notice: Notice) -> None:
        """Sends one mail.

        Raises:
            InputError: If the server's address is none.
            OSError: If the server cannot be reached.
            smtplib.SMTPException: If it does not take the mail.
        """
        mail = EmailMessage()
        mail["Subject"] = notice.subject
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.to)
        mail.set_content(notice.body)
        server = _address(MAIL_SERVER, self.server, _MAIL)
        with _smtp(server.scheme, str(server.hostname), server.port) as connection:
            if server.scheme == "smtp" and connection.has_extn("starttls"):
                connection.starttls(context=ssl.create_default_context())
                connection.ehlo()
            if server.username:
                connection.login(unquote(server.username), unquote(server.password or ""))
            connection.send_message(mail)


def _smtp(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(
            host, port or 465, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
        )
    connection = smtplib.SMTP(host, port or 25, timeout=TIMEOUT_SECONDS)
    connection.ehlo()
    return connection


def notifiers(environment: Mapping[str, str] = os.environ, own_log: Any = log) -> list[Notifier]:
    """The ways that the environment asks for; the log first."""
    found: list[Notifier] = [LogNotifier(own_log)]
    if url := environment.get(WEBHOOK):
        found.append(WebhookNotifier(url))
    to = environment.get("NASCAR_NOTIFY_MAIL_TO", "")
    if addresses := [address.strip() for address in to.split(",") if address.strip()]:
        found.append(
            MailNotifier(
                environment.get(MAIL_SERVER) or "smtp://localhost",
                environment.get("NASCAR_NOTIFY_MAIL_FROM") or addresses[0],
                addresses,
            )
        )
    return found


def address_of(name: str, environment: Mapping[str, str] = os.environ) -> SplitResult | None:
    """The address that a setting of this module holds; none where it is not set.

    Raises:
        InputError: If it is no address.
    """
    text = environment.get(name)
    return _address(name, text, _MAIL if name == MAIL_SERVER else _WEB) if text else None


def _address(name: str, text: str, forms: Mapping[str, str]) -> SplitResult:
    """An address taken apart; what it is stays out of the error, for it may let somebody in."""
    try:
        parts = urlsplit(text)
        if parts.scheme in forms and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # of a port, or of brackets
        pass
    wanted = " or ".join(f"{scheme}://{rest}" for scheme, rest in forms.items())
    raise InputError("It is no such address.", field=name, remedy=f"Write it as {wanted}.")


def notify_all(ways: Sequence[Notifier], notice: Notice) -> list[str]:
    """Tells by every way; one that fails keeps no other from telling.

    Returns:
        What failed, without addresses or passwords.
    """
    failed = []
    for way in ways:
        try:
            way.notify(notice)
        except Exception as error:
            failed.append(f"{type(way).__name__}: {type(error).__name__}")
            log.error("A notice could not be sent by %s: %s", type(way).__name__, type(error))
    return failed


def notify_new(
    own_log: Any, who: str, before: Mapping[str, str], notices: Mapping[str, str]
) -> dict[str, str]:
    """Tells notices that are new, and returns what has been notified by now.

    Args:
        own_log: The sensor's log.
        who: Name of the sensor.
        before: Notices that were notified at earlier scans and stood at the last one.
        notices: Notices of this scan, by what they are about.
    """
    fresh = {what: text for what, text in notices.items() if before.get(what) != text}
    if fresh:
        ways = notifiers(own_log=own_log)
        for what, text in fresh.items():
            notify_all(ways, Notice(f"{who}: {what}", text))
    return dict(notices)
