"""nftables: command text to the kernel, in process through libnftables, else through the nft program.

What the commands are is firewall.py's business.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import subprocess

from pykeepalived.netlink import attributes as nl

_LIBRARY = "libnftables.so.1"
_PROGRAM_TIMEOUT_S = 10
_NETLINK_NETFILTER = 12
_GET_TABLE = 10 << 8 | 1
_NFTA_TABLE_NAME = 1
_ANSWER_TIMEOUT_S = 1
_READ_SIZE = 1 << 16


class NftError(Exception):
    """A block of commands was refused; nothing of it is in force. The message is nft's."""


def table_exists(family: int, name: str) -> bool:
    """Whether there is a table of this name for IPv4 or IPv6; False also without nftables in the kernel.

    Asked of the kernel itself: whoever filters nothing need not load the library.
    """
    body = struct.pack("=BBH", nl.family_number(family), 0, 0) + nl.text(_NFTA_TABLE_NAME, name)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as sock:
            sock.settimeout(_ANSWER_TIMEOUT_S)
            sock.send(nl.message(_GET_TABLE, nl.NLM_F_REQUEST, body))
            answers = list(nl.messages(sock.recv(_READ_SIZE)))
    except (OSError, nl.DecodeError):
        return False
    return bool(answers) and answers[0][0] != nl.NLMSG_ERROR


class Nftables:
    """Runs blocks of commands, each one transaction. Raises NftError when neither library nor program is there."""

    def __init__(self) -> None:
        self._library: ctypes.CDLL | None = None
        self._context: int | None = None
        try:
            library = ctypes.CDLL(_LIBRARY)
        except OSError:
            return
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for name in ("nft_ctx_buffer_error", "nft_ctx_buffer_output", "nft_ctx_get_error_buffer", "nft_ctx_free"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        context = library.nft_ctx_new(0)
        if not context:
            return
        library.nft_ctx_buffer_error(context)
        library.nft_ctx_buffer_output(context)
        self._library, self._context = library, context

    def run(self, commands: str) -> None:
        """Perform all commands or none. Raises NftError."""
        if self._library is None:
            self._run_program(commands)
            return
        if self._library.nft_run_cmd_from_buffer(self._context, commands.encode()):
            raise NftError(_first_line(self._library.nft_ctx_get_error_buffer(self._context).decode(errors="replace")))
        self._library.nft_ctx_get_error_buffer(self._context)

    def _run_program(self, commands: str) -> None:
        try:
            done = subprocess.run(
                ["nft", "-f", "-"],
                input=commands,
                capture_output=True,
                text=True,
                timeout=_PROGRAM_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NftError(str(error)) from error
        if done.returncode:
            raise NftError(_first_line(done.stderr))

    def close(self) -> None:
        if self._library is not None:
            self._library.nft_ctx_free(self._context)
            self._library = self._context = None


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0] or "nftables refused the commands"
