"""An alert is written to somebody, over a real socket to a small mail server (RFC 5321)."""

import socket
import threading
from email import message_from_string, policy

import pytest

from host_decoder.alerts.watch import Alert
from host_decoder.outputs.courier import NotToldError, RefusedError
from host_decoder.outputs.mail import Mail
from host_decoder.outputs.sections import EmailConfig
from tests.worlds.broker import free_port

ALERT = Alert("fault", "fault", 7, True, 1000.0, "Gate camera captures nothing:\nno camera ☂")


class MailServer:
    """Takes one message, or answers a command as it is told."""

    def __init__(self, **answers: str | list[str]) -> None:
        """A list is answered with one after the other."""
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.commands: list[str] = []
        self.text = ""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._socket.accept()
        with client, client.makefile("rw", newline="\r\n", encoding="utf-8") as stream:
            self._say(stream, "220 here")
            for line in stream:
                command = line.split(":")[0].split()[0].upper()
                self.commands.append(line.strip())
                usual = {"DATA": "354 go on", "QUIT": "221 bye"}.get(command, "250 ok")
                answer = self._answers.get(command, usual)
                self._say(stream, answer.pop(0) if isinstance(answer, list) else answer)
                if command == "DATA":
                    while (part := stream.readline()) != ".\r\n":
                        self.text += part
                    self._say(stream, "250 taken")
                if command == "QUIT":
                    return

    def _say(self, stream, line: str) -> None:
        stream.write(line + "\r\n")
        stream.flush()

    def close(self) -> None:
        self._thread.join(20)
        self._socket.close()


def mail(port: int, **others) -> Mail:
    return Mail(
        EmailConfig("127.0.0.1", "ll@farm.example", ("me@farm.example",), port, "none", **others),
        "farm",
    )


def test_a_message_says_what_and_where():
    server = MailServer()
    mail(server.port).bring(ALERT)
    server.close()
    said = message_from_string(server.text, policy=policy.default)
    assert said["Subject"] == "[farm] Gate camera captures nothing: no camera ☂"
    assert (said["From"], said["To"]) == ("ll@farm.example", "me@farm.example")
    assert "site farm, node 7, rule fault" in said.get_content()
    assert "rcpt to:<me@farm.example>" in map(str.lower, server.commands)


@pytest.mark.parametrize(
    ("answers", "error", "sentence"),
    [
        ({"RCPT": "550 who?"}, RefusedError, "takes no mail for me@farm.example$"),
        ({"RCPT": "450 greylisted"}, NotToldError, "takes no mail for me@farm.example yet; try"),
        ({"MAIL": "554 no"}, RefusedError, "does not take it \\(554\\)"),
        ({"MAIL": "451 later"}, NotToldError, "does not take it \\(451\\)"),
    ],
)
def test_whether_it_is_worth_another_try(answers, error, sentence):
    server = MailServer(**answers)
    with pytest.raises(error, match=sentence) as caught:
        mail(server.port).bring(ALERT)
    assert type(caught.value) is error
    server.close()


def test_a_server_without_tls_is_told_no_password():
    server = MailServer()
    config = EmailConfig("127.0.0.1", "a@b", ("c@d",), server.port, user="me", password="hunter2")
    with pytest.raises(NotToldError, match=r"cannot be reached \(STARTTLS"):
        Mail(config, "farm").bring(ALERT)
    server.close()
    assert not any("hunter2" in command or "AUTH" in command for command in server.commands)


def test_nobody_there():
    with pytest.raises(NotToldError, match=r"cannot be reached \(.*refused\); trying again"):
        mail(free_port()).bring(ALERT)


def test_one_of_two_who_is_not_known_there_is_named_and_the_other_has_it():
    server = MailServer(RCPT=["250 ok", "550 who?"])
    config = EmailConfig("127.0.0.1", "a@b", ("c@d", "e@f"), server.port, "none")
    with pytest.raises(RefusedError, match=r"takes no mail for e@f$"):
        Mail(config, "farm").bring(ALERT)
    server.close()
    assert "no camera" in server.text
