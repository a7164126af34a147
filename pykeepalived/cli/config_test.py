"""`-t`: read the configuration, print what keepalived would print, end with the status keepalived would end with."""

from __future__ import annotations

import os
import sys

from pykeepalived.parent.options import DEFAULT_CONFIG_FILE, Options


def config_test(options: Options) -> int:
    """Run the config test of keepalived(8); messages go to standard error or are appended to the file of -tFILE."""
    from pykeepalived.config.environment import gather
    from pykeepalived.config.load import LoadOptions, load
    from pykeepalived.config.messages import config_test_lines

    output = _output(options.config_test_file)
    if output is None:
        return 1
    result = load(
        options.config_file or DEFAULT_CONFIG_FILE,
        gather(options.config_id),
        LoadOptions(
            config_test=True,
            findings_only=True,
            all_config=options.include_check,
            log_detail=options.log_detail,
            net_namespace=options.namespace,
        ),
    )
    lines = config_test_lines(result.findings)
    if lines:
        data = "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")
        try:
            with os.fdopen(output, "wb", closefd=output != 2) as stream:
                stream.write(data)
        except OSError as error:
            sys.stderr.write(f"Unable to write config-test messages - {error.strerror}\n")
    return result.exit_status


def _output(path: str) -> int | None:
    """Descriptor for the messages; None (reported) when the file cannot be opened."""
    if not path:
        return 2
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        sys.stderr.write(f"Unable to open config-test log file {path} {error.errno} - {error.strerror}\n")
        return None
