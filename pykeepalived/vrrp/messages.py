"""The log lines of the VRRP core, in keepalived's wording: sites search their logs for them.

Templates for the % operator. The name of an instance or group stands in front where operators expect it.
"""

from __future__ import annotations

DETAIL = 1
"""Lines with this detail need -D on the command line."""

# states
ENTERING = "(%s) Entering %s STATE"
ENTERING_INIT = "(%s) Entering %s STATE (init)"
FAULT_INTERFACE_AT_START = "(%s): entering FAULT state (interface %s down)"
FAULT_ADDRESS_AT_START = "(%s) entering FAULT state (no IPv%d address for interface)"
FAULT_SOURCE_AT_START = "(%s): entering FAULT state (src address not configured)"
FAULT_SCRIPT_AT_START = "(%s): entering FAULT state due to script %s"
FAULT_FILE_AT_START = "(%s): entering FAULT state (tracked file %s has status %i)"
FAULT_PROCESS_AT_START = "(%s) entering FAULT state (tracked process %s quorum not achieved)"
FAULT_AT_START = "(%s) entering FAULT state"
SENT_ZERO = "(%s) sent 0 priority"
TIMEOUT = "(%s) Receive advertisement timeout"
EFFECTIVE = "(%s) Changing effective priority from %d to %d"
DELAYING = "Delaying startup for %g seconds"
DELAYED = "Delayed start completed"
LATE = "VRRP thread timer expired %u.%6.6u seconds ago"

# adverts heard
FLOOD = "(%s) %d unusable packets in less than %d ms: the kernel drops such packets while they come"
BACKUP_ZERO = "(%s) Backup received priority 0 advertisement"
MASTER_ZERO = "(%s) Master received priority 0 message"
MASTER_SET = "(%s) master set to %s"
MASTER_CHANGED = "(%s) master changed from %s to %s"
INTERVAL_UPDATED = "(%s) advertisement interval updated from %ums to %ums by master"
LOWER_DISCARDED = "(%s) received lower priority (%d) advert from %s - discarding"
LOWER = "(%s) Received advert from %s with lower priority %d, ours %d%s"
FORCING = ", forcing new election"
HIGHER = "(%s) Master received advert from %s with higher priority %d, ours %d"
SAME_HIGHER_ADDRESS = "(%s) Master received advert from %s with same priority %d but higher IP address than ours"
SAME_ADDRESS = "(%s) WARNING - equal priority advert received from remote host with our IP address."
PREEMPT_START = "(%s) start preempt delay (%lu.%6.6lu)"
PREEMPT_STOP = "(%s) stop preempt delay"
AH_SYNC = "(%s) IPSEC-AH : Syncing seq_num - Increment seq"
UNKNOWN_VRID = "Unknown VRID(%d) received on interface(%s). ignoring..."
UNKNOWN_VRID_FROM = "Unknown VRID(%d) received on interface(%s) from %s. ignoring..."
WRONG_CAST = "(%s) discarding %sicast packet on %sicast instance"

# rogue address owner
ROGUE = "(%s) CONFIGURATION ERROR: local instance and %s are both configured as address owner, please resolve"
ROGUE_AGAIN = "(%s) %s is still advertising as address owner, please resolve - reducing our priority"
ROGUE_GONE = "(%s): rogue address owner appears to have stopped advertising"

# what a master owns
SETTING_FILTER = "(%s) setting firewall drop rule"
REMOVING_FILTER = "(%s) removing firewall drop rule"
SETTING_VIPS = "(%s) setting VIPs."
SETTING_EVIPS = "(%s) setting E-VIPs."
REMOVING_VIPS = "(%s) removing VIPs."
REMOVING_EVIPS = "(%s) removing E-VIPs."
SETTING_ROUTES = "(%s) setting Virtual Routes"
REMOVING_ROUTES = "(%s) removing Virtual Routes"
SETTING_RULES = "(%s) setting Virtual Rules"
REMOVING_RULES = "(%s) removing Virtual Rules"
QUEUEING_GARP = "(%s) Sending/queueing gratuitous ARPs on %s for %s"
QUEUEING_NA = "(%s) Sending/queueing Unsolicited Neighbour Adverts on %s for %s"
SENDING_GARP = "Sending gratuitous ARP on %s for %s"
SENDING_NA = "Sending unsolicited Neighbour Advert on %s for %s"
OWN_ADDRESS_GARP = "%s: sending gratuitous %s for %s"
ADDRESS_GONE_AT_RELOAD = "(%s) ip address %s/%d dev %s, no longer exist"
RULE_GONE_AT_RELOAD = "(%s) ip rule from %s removed"

# kernel
NETLINK_LINK = "Netlink reports %s %s"
VRID_CONFLICT = "VRID conflict between %s and %s IPv%d vrid %d"
LINKBEAT = "Linkbeat reports %s %s"
IP_REMOVED = "Netlink reflector reports IP %s removed from %s"
IP_ADDED = "Netlink reflector reports IP %s added"
DUPLICATE = "(%s) duplicate address detection failed for %s on %s - another host has it"
ROUTE_REMOVED = "Netlink reflector reports route %s removed"
RULE_REMOVED = "Netlink reflector reports rule removed"
ASSIGNED = "Assigned address %s for interface %s"
DEASSIGNED = "Deassigned address %s from interface %s"
RESTORING = "Restoring deleted static %s %s"

# groups
SYNCING = "VRRP_Group(%s) Syncing instances to %s state"

# trackers
SCRIPT_GOOD = "VRRP_Script(%s) succeeded"
SCRIPT_BAD_STATUS = "VRRP_Script(%s) failed (exited with status %d)"
SCRIPT_BAD_SIGNAL = "VRRP_Script(%s) failed (due to signal %d)"
SCRIPT_TIMED_OUT = "VRRP_Script(%s) timed out"
SCRIPT_STATUS = "Script `%s` now returning %d"
SCRIPT_RUNNING = "Track script %s is already running, expect idle - skipping run"
SCRIPT_RELOAD_GOOD = "VRRP_Script(%s) considered successful on reload"
SCRIPT_RELOAD_BAD = "VRRP_Script(%s) considered unsuccessful on reload"
FILE_INVALID = "Invalid number %s read from %s - ignoring"
FILE_FAULT = "(%s): tracked file %s now FAULT state"
FILE_LEAVES = "(%s): tracked file %s leaving FAULT state"
QUORUM = "Quorum %s for tracked process %s"
BFD_STATE = "VRRP_Instance(%s) Tracked BFD instance %s is %s"
BFD_EVENT = "Received BFD event: instance %s is in state %s (delivered in %u usec)"
