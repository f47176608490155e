"""Mail: an alert as a message by SMTP."""

import hashlib
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate

from host_decoder.alerts.watch import Alert
from host_decoder.outputs import messages
from host_decoder.outputs.courier import NotToldError, RefusedError
from host_decoder.outputs.sections import EmailConfig

TIMEOUT_S = 10.0
MAX_SUBJECT_LETTERS = 150
PERMANENT = 500
"SMTP's replies from here on do not pass."


class Mail:
    """To whom alerts are written."""

    def __init__(self, config: EmailConfig, site: str) -> None:
        self._config, self._site = config, site

    def bring(self, alert: Alert) -> None:
        """Raises NotToldError."""
        config = self._config
        try:
            with self._server() as server:
                if config.user is not None:
                    server.login(config.user, config.password or "")
                refused = server.send_message(
                    self._message(alert), config.sender, config.recipients
                )
        except smtplib.SMTPAuthenticationError as error:
            raise NotToldError(
                f"{config.host} does not take user and password ({error.smtp_code}); check "
                "password_file of [email]"
            ) from None
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refused(error.recipients) from None
        except smtplib.SMTPResponseException as error:
            kind = RefusedError if error.smtp_code >= PERMANENT else NotToldError
            raise kind(f"{config.host} does not take it ({error.smtp_code})") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise NotToldError(f"{config.host} cannot be reached ({error}); trying again") from None
        if refused:  # the others have it
            raise RefusedError(str(self._refused(refused)))

    def _refused(self, recipients: Mapping[str, tuple[int, bytes]]) -> NotToldError:
        """Codes below PERMANENT are greylisting: a later try is taken."""
        sentence = f"{self._config.host} takes no mail for {', '.join(sorted(recipients))}"
        is_passing = any(code < PERMANENT for code, _ in recipients.values())
        return (
            NotToldError(f"{sentence} yet; trying again") if is_passing else RefusedError(sentence)
        )

    def _server(self) -> smtplib.SMTP:
        config = self._config
        if config.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(
                config.host, config.smtp_port, timeout=TIMEOUT_S, context=context
            )
        server = smtplib.SMTP(config.host, config.smtp_port, timeout=TIMEOUT_S)
        if config.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        return server

    def _message(self, alert: Alert) -> EmailMessage:
        message = EmailMessage()
        what = "" if alert.is_raised else "over: "
        subject = f"[{self._site}] {what}{alert.sentence}"[:MAX_SUBJECT_LETTERS]
        message["Subject"] = "".join(sign if sign.isprintable() else " " for sign in subject)
        message["From"] = self._config.sender
        message["To"] = ", ".join(self._config.recipients)
        message["Date"] = formatdate(alert.at_s, usegmt=True)
        name = hashlib.sha256(f"{self._site}/{alert.id}".encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{name}@{self._config.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(
            f"{alert.sentence}\n\nsite {self._site}, node {alert.node}, rule {alert.rule}\n"
            f"{messages.at(alert.at_s)}\n"
        )
        return message
