"""One file per checker: the exchange as a pure machine of bytes in, bytes out, verdict."""
