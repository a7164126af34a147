"""The regular expressions of HTTP_GET: a small binding of libpcre2-8, and matching of data that comes in blocks.

keepalived.conf(5) promises PCRE2 syntax and options, which no Python module offers; see pcre2api(3), pcre2partial(3).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import lru_cache

from pykeepalived.config.model.ipvs import Regex

OPTIONS: Mapping[str, int] = {
    "allow_empty_class": 0x00000001,
    "alt_bsux": 0x00000002,
    "auto_callout": 0x00000004,
    "caseless": 0x00000008,
    "dollar_endonly": 0x00000010,
    "dotall": 0x00000020,
    "dupnames": 0x00000040,
    "extended": 0x00000080,
    "firstline": 0x00000100,
    "match_unset_backref": 0x00000200,
    "multiline": 0x00000400,
    "never_ucp": 0x00000800,
    "never_utf": 0x00001000,
    "no_auto_capture": 0x00002000,
    "no_auto_possess": 0x00004000,
    "no_dotstar_anchor": 0x00008000,
    "no_start_optimize": 0x00010000,
    "ucp": 0x00020000,
    "ungreedy": 0x00040000,
    "utf": 0x00080000,
    "never_backslash_c": 0x00100000,
    "alt_circumflex": 0x00200000,
    "alt_verbnames": 0x00400000,
    "use_offset_limit": 0x00800000,
}
_PARTIAL_HARD = 0x00000020
_NO_JIT = 0x00002000
_ERROR_PARTIAL = -2
_ERROR_JIT_STACK_LIMIT = -46
_JIT_PARTIAL_HARD = 0x00000004
_INFO_MAX_LOOKBEHIND = 15


class RegexError(ValueError):
    """A pattern that PCRE2 does not compile, or no PCRE2 library. `offset` is where in the pattern."""

    def __init__(self, text: str, offset: int = 0) -> None:
        super().__init__(text)
        self.offset = offset


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libpcre2-8.so.0")
    except OSError as error:
        raise RegexError(f"libpcre2-8 cannot be loaded: {error}") from error
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
    library.pcre2_compile_8.restype = pointer
    library.pcre2_compile_8.argtypes = [
        ctypes.c_char_p,
        size,
        number,
        ctypes.POINTER(ctypes.c_int),
        ctypes.POINTER(size),
        pointer,
    ]
    library.pcre2_jit_compile_8.argtypes = [pointer, number]
    library.pcre2_match_data_create_from_pattern_8.restype = pointer
    library.pcre2_match_data_create_from_pattern_8.argtypes = [pointer, pointer]
    library.pcre2_match_8.argtypes = [pointer, ctypes.c_char_p, size, size, number, pointer, pointer]
    library.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(size)
    library.pcre2_get_ovector_pointer_8.argtypes = [pointer]
    library.pcre2_get_error_message_8.argtypes = [ctypes.c_int, ctypes.c_char_p, size]
    library.pcre2_pattern_info_8.argtypes = [pointer, number, pointer]
    return library


class Pattern:
    """A compiled pattern; it lives as long as the process. Raises RegexError."""

    def __init__(self, pattern: str, options: tuple[str, ...] = ()) -> None:
        library = _library()
        bits = 0
        for name in options:
            bits |= OPTIONS.get(name, 0)
        text = pattern.encode("utf-8", "surrogateescape")
        error, offset = ctypes.c_int(), ctypes.c_size_t()
        self._code = library.pcre2_compile_8(text, len(text), bits, ctypes.byref(error), ctypes.byref(offset), None)
        if not self._code:
            buffer = ctypes.create_string_buffer(256)
            library.pcre2_get_error_message_8(error.value, buffer, 256)
            raise RegexError(buffer.value.decode("ascii", "replace"), offset.value)
        library.pcre2_jit_compile_8(self._code, _JIT_PARTIAL_HARD)
        self._data = library.pcre2_match_data_create_from_pattern_8(self._code, None)
        self._offsets = library.pcre2_get_ovector_pointer_8(self._data)
        self._match = library.pcre2_match_8
        behind = ctypes.c_uint32()
        library.pcre2_pattern_info_8(self._code, _INFO_MAX_LOOKBEHIND, ctypes.byref(behind))
        self.lookbehind = behind.value

    def search(self, subject: bytes, start: int) -> tuple[int, bool] | None:
        """Where the first match at or after `start` begins, and whether it is whole (False: cut off by the end).

        Compiled code has a small stack. What needs more is matched without it, on the heap, whatever regex_stack says.
        """
        result = self._match(self._code, subject, len(subject), start, _PARTIAL_HARD, self._data, None)
        if result == _ERROR_JIT_STACK_LIMIT:
            result = self._match(self._code, subject, len(subject), start, _PARTIAL_HARD | _NO_JIT, self._data, None)
        if result >= 0:
            return self._offsets[0], True
        if result == _ERROR_PARTIAL:
            return self._offsets[0], False
        return None


@lru_cache(maxsize=4096)
def compiled(pattern: str, options: tuple[str, ...]) -> Pattern:
    """The pattern, compiled once; raises RegexError."""
    return Pattern(pattern, options)


class BlockMatcher:
    """Looks for a pattern in data that comes block by block, with hard partial matching (pcre2partial(3)).

    A match that needs to see what follows the last byte is never found: keepalived matches the same way.
    """

    def __init__(self, regex: Regex) -> None:
        self._pattern = compiled(regex.pattern, regex.options)
        self._regex = regex
        self._kept = b""
        self._base = 0
        self._start = 0
        self.found = False

    def feed(self, block: bytes) -> None:
        """The next block of the subject."""
        if self.found:
            return
        regex = self._regex
        subject = self._kept + block
        start = max(self._start, regex.min_offset - self._base)
        hit = self._pattern.search(subject, start) if start <= len(subject) else None
        if hit is None:
            self._keep(subject, len(subject))
            return
        position, whole = hit
        if regex.max_offset is not None and self._base + position > regex.max_offset:
            self._keep(subject, len(subject))
        elif whole:
            self.found = True
        else:
            self._keep(subject, position)

    def _keep(self, subject: bytes, position: int) -> None:
        """Carry over what begins at `position`, and what the pattern may look back at."""
        cut = max(0, position - self._pattern.lookbehind)
        self._kept = subject[cut:]
        self._start = position - cut
        self._base += cut

    def verdict(self) -> bool:
        """Whether the regex is satisfied by all that came."""
        return self.found != self._regex.no_match
