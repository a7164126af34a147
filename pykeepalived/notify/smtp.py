"""One SMTP delivery as an exchange of bytes: replies in, commands out (RFC 5321, plain, without extensions).

Pure: no socket, no clock, no log. Which mails are sent, and through which connection, is mail.py.
"""

from __future__ import annotations

import re
from enum import Enum

MAX_REPLY_LINE = 4096
"""A reply line longer than this is no SMTP (RFC 5321 section 4.5.3.1.5 allows 512)."""


class Stage(Enum):
    """What the next reply answers; the value is the word of the error line."""

    GREETING = "(E)SMTP"
    HELO = "HELO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "BODY"
    QUIT = "QUIT"


_EXPECTED = {
    Stage.GREETING: (220,),
    Stage.HELO: (250,),
    Stage.MAIL: (250,),
    Stage.RCPT: (250, 251),
    Stage.DATA: (354,),
    Stage.BODY: (250,),
    Stage.QUIT: (221,),
}


def address_of(mailbox: str) -> str:
    """The address in "Name <address>", or the text itself."""
    found = re.search(r"<([^<>]*)>", mailbox)
    return (found.group(1) if found else mailbox).strip()


def compose(date: str, sender: str, subject: str, recipients: tuple[str, ...], body: str) -> str:
    """The message with keepalived's headers, lines ended by CRLF, ready for `Exchange`.

    `date` is in the form of RFC 5322 section 3.3. Line breaks inside header values become blanks.
    """
    headers = (
        f"Date: {date}",
        f"From: {_one_line(sender)}",
        f"Subject: {_one_line(subject)}",
        "X-Mailer: Keepalived",
        "To: " + ",\r\n ".join(_one_line(recipient) for recipient in recipients),
    )
    text = "\r\n".join(re.split(r"\r\n|\r|\n", body))
    return "\r\n".join(headers) + "\r\n\r\n" + text + "\r\n\r\n"


class Exchange:
    """The client's side of one delivery. `feed` takes what the server sent and returns what to send back.

    When `finished`, the connection is to be closed: `delivered` tells whether the server took the message, `error` is
    the failed stage and the reply code (0 = not an SMTP reply), or None.
    """

    def __init__(self, helo: str, sender: str, recipients: tuple[str, ...], message: str) -> None:
        self._helo = _one_line(helo)
        self._sender = address_of(_one_line(sender))
        self._recipients = tuple(address_of(_one_line(recipient)) for recipient in recipients)
        self._next_recipient = 0
        self._message = message
        self._buffer = b""
        self.stage = Stage.GREETING
        self.delivered = False
        self.finished = False
        self.error: tuple[Stage, int] | None = None

    def feed(self, data: bytes) -> bytes:
        """Process reply bytes, however they are cut."""
        self._buffer += data
        answer = b""
        while not self.finished and b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            answer += self._reply(line)
        if len(self._buffer) > MAX_REPLY_LINE and not self.finished:
            answer += self._fail(0)
        return answer

    def _reply(self, line: bytes) -> bytes:
        match = re.match(rb"([0-9]{3})(.?)", line.rstrip(b"\r"))
        if match is None:
            return self._fail(0)
        if match.group(2) == b"-":
            return b""
        code = int(match.group(1))
        if code not in _EXPECTED[self.stage]:
            return self._fail(code)
        return self._advance()

    def _fail(self, code: int) -> bytes:
        if self.stage == Stage.QUIT:
            self.finished = True
            if self.error is None:
                self.error = (Stage.QUIT, code)
            return b""
        self.error = (self.stage, code)
        self.stage = Stage.QUIT
        return b"QUIT\r\n"

    def _advance(self) -> bytes:
        match self.stage:
            case Stage.GREETING:
                return self._say(Stage.HELO, f"HELO {self._helo}\r\n")
            case Stage.HELO:
                return self._say(Stage.MAIL, f"MAIL FROM:<{self._sender}>\r\n")
            case Stage.MAIL | Stage.RCPT if self._next_recipient < len(self._recipients):
                recipient = self._recipients[self._next_recipient]
                self._next_recipient += 1
                return self._say(Stage.RCPT, f"RCPT TO:<{recipient}>\r\n")
            case Stage.MAIL | Stage.RCPT:
                return self._say(Stage.DATA, "DATA\r\n")
            case Stage.DATA:
                return self._say(Stage.BODY, _stuffed(self._message) + ".\r\n")
            case Stage.BODY:
                self.delivered = True
                return self._say(Stage.QUIT, "QUIT\r\n")
            case Stage.QUIT:
                self.finished = True
        return b""

    def _say(self, stage: Stage, text: str) -> bytes:
        self.stage = stage
        return text.encode("utf-8", "surrogateescape")


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n]+", " ", text)


def _stuffed(message: str) -> str:
    """A dot at the start of a line is doubled (RFC 5321 section 4.5.2)."""
    return re.sub(r"^\.", "..", message, flags=re.MULTILINE)
