"""How members of the queue speak with each other."""

from __future__ import annotations

from cloudwright.declare.at import CA_PATH
from cloudwright.declare.tls import CERTIFICATE_PATH, KEY_PATH

MEMBERS = "/etc/rabbitmq/members.config"
DISTRIBUTION = f"-proto_dist inet_tls -ssl_dist_optfile {MEMBERS}"
MEMBERS_CONFIG = f"""\
[{{server, [{{cacertfile, "{CA_PATH}"}}, {{certfile, "{CERTIFICATE_PATH}"}},
           {{keyfile, "{KEY_PATH}"}}, {{verify, verify_peer}}, {{fail_if_no_peer_cert, true}}]}},
 {{client, [{{cacertfile, "{CA_PATH}"}}, {{certfile, "{CERTIFICATE_PATH}"}},
           {{keyfile, "{KEY_PATH}"}}, {{verify, verify_peer}}]}}].
"""
"""How members, and RabbitMQ's own tools, speak with each other."""

SILENT_SECONDS = 5
"""A member that acknowledges nothing of what it is sent for so long is gone."""

TCP_USER_TIMEOUT = (6, 18)
"""Level (TCP) and option, in milliseconds: tcp(7). Erlang has no name for it."""

_RAW = (SILENT_SECONDS * 1000).to_bytes(4, "little")
_OPTION = ", ".join(map(str, TCP_USER_TIMEOUT))
_SILENT = f"[{{raw, {_OPTION}, <<{', '.join(map(str, _RAW))}>>}}]"
ADVANCED = "/etc/rabbitmq/advanced.config"
ADVANCED_CONFIG = f"""\
%% Between members, who always have something to say to each other. Until a host is known to be
%% dead, the others wait for what its consumers were given: by ticks (net_ticktime) alone for 10 s,
%% and for as long again until its connection is closed.
[{{kernel, [{{inet_dist_connect_options, {_SILENT}}},
           {{inet_dist_listen_options, {_SILENT}}}]}}].
"""
