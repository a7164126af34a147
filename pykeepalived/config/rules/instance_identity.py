"""Rules of an instance, first part: strict mode, family, version, priority, state, authentication."""

from __future__ import annotations

from pykeepalived.config.model.values import MICROSECONDS_PER_SECOND
from pykeepalived.config.model.vrrp import OWNER
from pykeepalived.config.rules.context import Rule, RuleContext
from pykeepalived.config.schema.vrrp_draft import InstanceDraft

DEFAULT_PRIORITY = 100
LONGEST_WINDOW_S, SHORTEST_WINDOW_S = 300, 5


def strict_mode_default(draft: InstanceDraft, context: RuleContext) -> None:
    """strict_mode comes from vrrp_strict."""
    if draft.strict_mode is None:
        draft.strict_mode = context.globals.vrrp_defaults.strict


def strict_ipv6_version(draft: InstanceDraft, context: RuleContext) -> None:
    """Strict mode has no version 2 for IPv6."""
    if draft.family == 6 and draft.version == 2 and draft.strict_mode:
        context.error(draft, "strict-version", "IPv6 requires version 3 in strict mode - using it", "version")
        draft.version = 3


def ipv6_version(draft: InstanceDraft, context: RuleContext) -> None:
    """IPv6 means version 3 unless version 2 was asked for."""
    if draft.family == 6 and draft.version is None:
        draft.version = 3


def default_family(draft: InstanceDraft, context: RuleContext) -> None:
    """Without any address the family is IPv4."""
    draft.family = draft.family or 4


def default_version(draft: InstanceDraft, context: RuleContext) -> None:
    """The version comes from vrrp_version."""
    if draft.version is None:
        draft.version = context.globals.vrrp_defaults.version


def default_ttl(draft: InstanceDraft, context: RuleContext) -> None:
    """IPv4 adverts leave with TTL 255; IPv6 unicast with the kernel's hop limit."""
    if draft.unicast_ttl is None and draft.family == 4:
        draft.unicast_ttl = 255


def default_priority(draft: InstanceDraft, context: RuleContext) -> None:
    """`state MASTER` alone means the address owner."""
    if draft.priority is None:
        draft.priority = OWNER if draft.state == "MASTER" else DEFAULT_PRIORITY


def default_state(draft: InstanceDraft, context: RuleContext) -> None:
    """The owner starts as MASTER, all others as BACKUP."""
    if draft.state is None:
        draft.state = "MASTER" if draft.priority == OWNER else "BACKUP"


def strict_state(draft: InstanceDraft, context: RuleContext) -> None:
    """In strict mode exactly the owner is MASTER at start."""
    if draft.strict_mode and (draft.state == "MASTER") is not (draft.priority == OWNER):
        context.error(draft, "strict-state", "State MASTER must match being address owner", "state")
        draft.state = "MASTER" if draft.priority == OWNER else "BACKUP"


def strict_authentication(draft: InstanceDraft, context: RuleContext) -> None:
    """Strict mode has no authentication."""
    if draft.auth_type and draft.strict_mode:
        text = "Strict mode does not support authentication. Ignoring."
        _drop_authentication(draft, context, "strict-authentication", text)


def version_3_authentication(draft: InstanceDraft, context: RuleContext) -> None:
    """Version 3 has no authentication."""
    if draft.auth_type and draft.version == 3:
        text = "VRRP version 3 does not support authentication. Ignoring."
        _drop_authentication(draft, context, "authentication-version", text)


def authentication_password(draft: InstanceDraft, context: RuleContext) -> None:
    """Authentication needs a password."""
    if draft.auth_type and not draft.auth_pass:
        text = "Authentication specified but no password given. Ignoring"
        _drop_authentication(draft, context, "authentication-password", text)


def ah_ipv6(draft: InstanceDraft, context: RuleContext) -> None:
    """AH exists for IPv4 only."""
    if draft.auth_type == "AH" and draft.family == 6:
        text = "AH authentication is not supported for IPv6. Ignoring."
        _drop_authentication(draft, context, "authentication-ipv6", text)


def ah_initial_master(draft: InstanceDraft, context: RuleContext) -> None:
    """With AH only the owner may start as MASTER: the sequence numbers of the others are unknown."""
    if draft.auth_type == "AH" and draft.state == "MASTER" and draft.priority != OWNER:
        text = "Initial state master is incompatible with AH authentication - clearing"
        context.error(draft, "authentication-state", text, "state")
        draft.state = "BACKUP"


def hmac_and_authentication(draft: InstanceDraft, context: RuleContext) -> None:
    """auth_hmac replaces the old authentication."""
    if draft.hmac is not None and draft.auth_type:
        text = "auth_hmac and authentication exclude each other - ignoring authentication"
        _drop_authentication(draft, context, "hmac-authentication", text)


def hmac_active_key(draft: InstanceDraft, context: RuleContext) -> None:
    """The active key must be one of the keys."""
    if draft.hmac is not None and draft.hmac.active_key not in draft.hmac.keys:
        text = f"auth_hmac active_key {draft.hmac.active_key} is not defined - disabling auth_hmac"
        context.error(draft, "hmac-key", text, "auth_hmac")
        draft.hmac = None


def hmac_strict(draft: InstanceDraft, context: RuleContext) -> None:
    """Strict mode accepts signed adverts only."""
    if draft.hmac is not None and draft.strict_mode and draft.hmac.mode != "enforce":
        text = f"auth_hmac mode {draft.hmac.mode} is not allowed in strict mode - using enforce"
        context.error(draft, "hmac-mode", text, "auth_hmac")
        draft.hmac.mode = "enforce"


def hmac_time_window(draft: InstanceDraft, context: RuleContext) -> None:
    """The window is three intervals of whole seconds, 5 to 300 s; an interval that was not given counts as none."""
    if draft.hmac is not None and draft.hmac.time_window_s is None:
        whole = (draft.advert_int_us or 0) // MICROSECONDS_PER_SECOND
        draft.hmac.time_window_s = min(max(3 * whole, SHORTEST_WINDOW_S), LONGEST_WINDOW_S)


def _drop_authentication(draft: InstanceDraft, context: RuleContext, code: str, text: str) -> None:
    context.error(draft, code, text, "authentication")
    draft.auth_type, draft.auth_pass = "", b""


IDENTITY_RULES: tuple[Rule, ...] = (
    strict_mode_default,
    strict_ipv6_version,
    ipv6_version,
    default_family,
    default_version,
    default_ttl,
    default_priority,
    default_state,
    strict_state,
    strict_authentication,
    version_3_authentication,
    authentication_password,
    ah_ipv6,
    ah_initial_master,
    hmac_and_authentication,
    hmac_active_key,
    hmac_strict,
    hmac_time_window,
)
