"""Webhook: an alert as a POST of JSON, signed.

    X-Latentlink-Id           the same for the same alert, however often it is posted
    X-Latentlink-Timestamp    Unix seconds of this try
    X-Latentlink-Signature    sha256= and the hex HMAC-SHA256 of timestamp, ".", body, under the
                              secret

Who receives it compares the signature in constant time, refuses old timestamps, and answers 2xx.
5xx, 408, 425 and 429 say that another try may help; anything else that it would not.
"""

import hashlib
import hmac
import http.client
import time
import urllib.request
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from host_decoder.alerts.watch import Alert
from host_decoder.outputs import messages
from host_decoder.outputs.courier import NotToldError, RefusedError
from host_decoder.outputs.sections import WebhookConfig

TIMEOUT_S = 10.0
PASSING = (408, 425, 429)
"Answers below 500 that may not be the last word."


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What is signed goes where its owner said, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The header's value."""
    signed = timestamp.encode("ascii") + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class Webhook:
    """Where alerts are posted."""

    def __init__(self, config: WebhookConfig, site: str) -> None:
        self._config, self._site = config, site
        self._opener = urllib.request.build_opener(_NoRedirects)

    def bring(self, alert: Alert) -> None:
        """Raises NotToldError."""
        body = messages.packed(messages.alert(self._site, alert))
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "latentlink",
            "X-Latentlink-Id": alert.id.encode("ascii", "backslashreplace").decode(),
            "X-Latentlink-Timestamp": timestamp,
        }
        if self._config.secret is not None:
            headers["X-Latentlink-Signature"] = signature(self._config.secret, timestamp, body)
        request = urllib.request.Request(self._config.url, body, headers, method="POST")
        try:
            self._opener.open(request, timeout=TIMEOUT_S).close()
        except HTTPError as error:
            error.close()
            if 300 <= error.code < 400:
                raise RefusedError(
                    f"{self._where} answers {error.code} and wants to be asked elsewhere; write "
                    "that address as url of [webhook]"
                ) from None
            if error.code < 500 and error.code not in PASSING:
                raise RefusedError(f"{self._where} refuses it ({error.code})") from None
            raise NotToldError(f"{self._where} answers {error.code}; trying again") from None
        except (URLError, OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise NotToldError(
                f"{self._where} cannot be reached ({reason}); trying again"
            ) from None

    @property
    def _where(self) -> str:
        """Without what may be secret in it."""
        return urlsplit(self._config.url).hostname or "the webhook"
