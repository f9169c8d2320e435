"""SSH, the authority, and the way out of a container."""

from __future__ import annotations

from .model import Control, Move, Origin

#: every private key in some folders, as every user that a host may have
_SSH = """\
for key in $(grep --recursive --files-with-matches --no-messages 'PRIVATE KEY-----' @folders@ | head -20); do
  copy=$(mktemp); cat "$key" >"$copy"
  timeout 20 ssh -F none -i "$copy" -p @ssh_port@ -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=5 \
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null @bind@ @user@@@victim@ true && found=$key
  rm -f "$copy"
  if [ -n "$found" ]; then echo "in"; exit 0; fi
done
exit 1
"""
_FOLDERS = "/etc/koin /etc/ssh /root /home /var/lib/docker/swarm/certificates /run"

#: whether a private key of a certificate is on the host
_KEY_OF = """\
wanted=$(openssl x509 -in "$(ls @certificate@ | head -1)" -noout -pubkey) || exit
for key in $(grep --recursive --files-with-matches --no-messages 'PRIVATE KEY-----' /etc /root /home /opt /srv \
    /var/lib/koin /var/lib/docker/swarm /run /usr/local /var/tmp /tmp); do
  [ "$(openssl pkey -in "$key" -pubout 2>/dev/null)" = "$wanted" ] && exit 0
done
exit 1
"""

#: whether one of the host's certificates is good for another's name
_PASS_FOR = """\
for certificate in /etc/koin/tls/*/cert.pem; do
  openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt -purpose @purpose@ -verify_hostname @victim@ \
    "$certificate" && exit 0
done
exit 1
"""

HOST = (
    *(
        Move(
            f"log in to production as {user} with any key of stage",
            Origin.ROOT,
            _SSH,
            Control(
                Origin.CONTROLLER, {"folders": "@ssh_folder@", "bind": "-o BindAddress=172.31.255.1", "user": "admin"}
            ),
            {"folders": _FOLDERS, "bind": "", "user": user, "victim": "172.31.0.20"},
            won=r"^in$",
        )
        for user in ("admin", "root")
    ),
    Move(
        "find the authority's key",
        Origin.ROOT,
        _KEY_OF,
        Control(Origin.ROOT, {"certificate": "/etc/koin/tls/node-exporter/cert.pem"}),
        {"certificate": "/etc/koin/tls/ca.pem"},
    ),
    Move(
        "find production's host key",
        Origin.ROOT,
        "ssh-keyscan -p @ssh_port@ -t ed25519 @victim@ 2>/dev/null | awk '{print $2, $3}' >/run/attacker.scan\n"
        "for key in /etc/ssh/ssh_host_*_key; do ssh-keygen -y -f $key | cut -d' ' -f1,2; done |"
        " grep --fixed-strings --line-regexp --file=/run/attacker.scan; found=$?\n"
        "rm -f /run/attacker.scan; exit $found\n",
        Control(Origin.ROOT, {"victim": "172.31.32.10"}),
        {"victim": "172.31.0.20"},
    ),
    Move(
        "pass for the database's server",
        Origin.ROOT,
        _PASS_FOR,
        Control(Origin.DB),
        {"purpose": "sslserver", "victim": "koin-db"},
    ),
    Move(
        "pass for the registry",
        Origin.ROOT,
        _PASS_FOR,
        Control(Origin.BUILD),
        {"purpose": "sslserver", "victim": "bcsd-build"},
    ),
    Move(
        "pass for Prometheus",
        Origin.ROOT,
        _PASS_FOR,
        Control(Origin.INTERNAL),
        {"purpose": "sslclient", "victim": "bcsdlab-internal"},
    ),
    Move(
        "become root from a service's account",
        Origin.ROOT,
        "runuser --user @user@ -- sudo --non-interactive true",
        Control(Origin.ROOT, {"user": "admin"}),
        {"user": "www-data"},
    ),
)


def _escape(name: str, script: str, control: Control | None = None, **values: str) -> Move:
    """Something that a container must not be able to do, and root on the host can."""
    return Move(name, Origin.CONTAINER, script, control or Control(Origin.PYTHON), values)


CONTAINER = (
    _escape(
        "use the engine's socket from a container",
        "import socket\nsocket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')\n",
    ),
    _escape("become root in a container", "import os\nos.setuid(0)\n"),
    _escape(
        "mount in a container",
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "folder = '/tmp/attacker'\n"
        "os.makedirs(folder, exist_ok=True)\n"
        "failed = libc.mount(b'none', folder.encode(), b'tmpfs', 0, b'')\n"
        "libc.umount(folder.encode())\n"
        "os.rmdir(folder)\n"
        "raise SystemExit(1 if failed else 0)\n",
    ),
    _escape(
        "take new namespaces in a container",
        "import ctypes\nraise SystemExit(1 if ctypes.CDLL(None).unshare(0x10000000 | 0x00020000) else 0)\n",
    ),
    _escape(
        "open a raw socket in a container",
        "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)\n",
    ),
    _escape(
        "change a container's own program",
        "import os\nopen('@path@', 'w').close()\nos.unlink('@path@')\n",
        # So that /tmp is shown to be writable as well.
        Control(Origin.CONTAINER, {"path": "/tmp/attacker"}),
        path="/srv/attacker",
    ),
    _escape("read the host's keys in a container", "import os\nprint(os.listdir('/etc/koin/tls'))\n"),
    _escape(
        "see the host's processes in a container",
        "raise SystemExit(open('/proc/1/comm').read().strip() != 'systemd')\n",
    ),
)

MOVES = (*HOST, *CONTAINER)
