#!/usr/bin/python3 -IS
"""Have HAProxy read its configuration again; end with its words and 1 when it refuses.

Its master keeps the old processes until the new ones took over the sockets, so that no connection
is cut (HAProxy's management guide, "Master CLI", `reload`).
"""

import socket
import sys

master = socket.socket(socket.AF_UNIX)
master.settimeout(60)
master.connect("/run/haproxy/master.sock")
master.sendall(b"reload\n")
answer = b""
while part := master.recv(65536):
    answer += part
text = answer.decode(errors="replace")
print(text)
sys.exit(0 if text.startswith("Success=1") else 1)
