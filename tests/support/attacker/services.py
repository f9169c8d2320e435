"""The registry, exporters, Prometheus: what hosts offer to each other."""

from __future__ import annotations

from .model import Control, Move, Origin

_CURL = "curl --noproxy '*' --silent --show-error --connect-timeout 5 --max-time 15"

# --- Registry ---------------------------------------------------------------------------------------------------------

#: every login to a registry on the host; @anonymous@ is `yes` for none
_LOGINS = """\
registry=https://bcsd-build:5000/v2/koin/sample
say() { curl --noproxy '*' --silent --connect-timeout 5 --max-time 15 --header @"$login" "$@"; }
login=$(mktemp); trap 'rm -f "$login"' EXIT
try() {
  for file in $(find /etc/koin /root /home -path '*docker*' -name config.json 2>/dev/null); do
    for auth in $(jq --raw-output '.auths[]?.auth // empty' "$file"); do
      echo "Authorization: Basic $auth" >"$login"; "$@"
    done
  done
}
if [ @anonymous@ = yes ]; then try() { "$@"; }; fi
"""
_PUSH = (
    _LOGINS
    + """\
push() { say --request POST --output /dev/null --write-out 'http=%{http_code}\\n' $registry/blobs/uploads/; }
try push
"""
)
#: the same content under the same tag, so that nothing changes where it is allowed
_OVERWRITE = (
    _LOGINS
    + """\
overwrite() {
  tag=$(say $registry/tags/list | jq --raw-output '.tags[0] // empty'); [ -n "$tag" ] || return 0
  kinds='application/vnd.docker.distribution.manifest.v2+json,application/vnd.oci.image.manifest.v1+json'
  manifest=$(mktemp); head=$(mktemp)
  say --header "Accept: $kinds" --dump-header "$head" --output "$manifest" $registry/manifests/$tag
  kind=$(sed -n 's/^content-type: *//Ip' "$head" | tr -d '\\r')
  say --request PUT --header "Content-Type: $kind" --data-binary @"$manifest" --output /dev/null \\
    --write-out 'http=%{http_code}\\n' $registry/manifests/$tag
  rm -f "$manifest" "$head"
}
try overwrite
"""
)
_LIST = (
    _LOGINS
    + """\
list() { say --output /dev/null --write-out 'http=%{http_code}\\n' $registry/tags/list; }
try list
"""
)

REGISTRY = (
    Move(
        "push an image with what stage holds",
        Origin.ROOT,
        _PUSH,
        Control(Origin.BUILD),
        {"anonymous": "no"},
        won=r"^http=202$",
    ),
    Move(
        "replace an image with what stage holds",
        Origin.ROOT,
        _OVERWRITE,
        Control(Origin.BUILD),
        {"anonymous": "no"},
        won=r"^http=201$",
    ),
    Move(
        "push an image without a login",
        Origin.ROOT,
        _PUSH,
        Control(Origin.BUILD, {"anonymous": "no"}),
        {"anonymous": "yes"},
        won=r"^http=202$",
    ),
    Move(
        "list images without a login",
        Origin.ROOT,
        _LIST,
        Control(Origin.BUILD, {"anonymous": "no"}),
        {"anonymous": "yes"},
        won=r"^http=200$",
    ),
    Move(
        "reach the registry's own port behind its gate",
        Origin.PYTHON,
        "import socket\nsocket.create_connection(('@victim@', 5001), 5).close()\n",
        Control(Origin.BUILD_PYTHON, {"victim": "127.0.0.1"}),
        {"victim": "172.31.0.10"},
    ),
)

# --- Exporters --------------------------------------------------------------------------------------------------------

_METRICS = f"{_CURL} --insecure @certificate@ @scheme@://@target@"
_STAGE = "--cert /etc/koin/tls/node-exporter/cert.pem --key /etc/koin/tls/node-exporter/key.pem"
_PROMETHEUS = "--cert /etc/koin/tls/prometheus/cert.pem --key /etc/koin/tls/prometheus/key.pem"
_TARGETS = {
    "production's host": "172.31.0.20:9100/metrics",
    "the database": "172.31.32.20:9104/metrics",
    "the cache": "172.31.32.20:9121/metrics",
}


def _metrics(name: str, target: str, certificate: str = "", scheme: str = "https", allowed: str = "") -> Move:
    """Ask an exporter from stage; Prometheus' host may."""
    return Move(
        name,
        Origin.ROOT,
        _METRICS,
        Control(Origin.INTERNAL, {"certificate": _PROMETHEUS, "scheme": "https", "target": allowed or target}),
        {"certificate": certificate, "scheme": scheme, "target": target},
        won=r"^# HELP",
    )


_FORGED = (
    """\
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=prometheus -keyout key.pem -out request \
  2>/dev/null
printf 'subjectAltName=DNS:bcsdlab-internal,IP:172.31.16.10\\nextendedKeyUsage=clientAuth\\n' >extensions
openssl x509 -req -in request -days 1 -extfile extensions @signer@ -out cert.pem 2>/dev/null
cat /etc/koin/tls/node-exporter/cert.pem >>cert.pem
"""
    + f"{_CURL} --insecure @certificate@ https://172.31.0.20:9100/metrics\n"
)

EXPORTERS = (
    *(_metrics(f"read metrics of {what} without a certificate", target) for what, target in _TARGETS.items()),
    *(
        _metrics(f"read metrics of {what} with stage's certificate", target, _STAGE)
        for what, target in _TARGETS.items()
    ),
    _metrics("read metrics of production's host without TLS", _TARGETS["production's host"], scheme="http"),
    _metrics(
        "relay to the cache through its exporter",
        "172.31.32.20:9121/scrape?target=rediss://172.31.32.20:6379",
        _STAGE,
        allowed=_TARGETS["the cache"],
    ),
    _metrics(
        "relay to the database through its exporter",
        "172.31.32.20:9104/probe?target=172.31.32.20:3306",
        _STAGE,
        allowed=_TARGETS["the database"],
    ),
    *(
        Move(
            f"read metrics with a certificate that {who} has signed",
            Origin.ROOT,
            _FORGED,
            Control(Origin.INTERNAL, {"certificate": _PROMETHEUS}),
            {"signer": signer, "certificate": "--cert cert.pem --key key.pem"},
            won=r"^# HELP",
        )
        for who, signer in (
            (
                "stage's host",
                "-CA /etc/koin/tls/node-exporter/cert.pem -CAkey /etc/koin/tls/node-exporter/key.pem -CAcreateserial",
            ),
            ("nobody", "-signkey key.pem"),
        )
    ),
)

# --- Prometheus -------------------------------------------------------------------------------------------------------

_ASK = f"{_CURL} --insecure --config - '@url@/api/v1/query?query=up' <<'END'\n@login@\nEND\n"
#: for curl: where the page is, and the address in aws_security_admin_cidrs that this machine has
_ADMINISTRATOR = 'resolve = "internal.bcsdlab.com:443:172.31.16.10"\ninterface = "172.31.255.1"'

PROMETHEUS = (
    Move(
        "ask Prometheus from stage",
        Origin.ROOT,
        _ASK,
        Control(Origin.INTERNAL, {"url": "http://127.0.0.1:9090"}),
        {"url": "https://internal.bcsdlab.com", "login": 'resolve = "internal.bcsdlab.com:443:172.31.16.10"'},
        won=r'"status":"success"',
    ),
    Move(
        "ask Prometheus without a login, from where administrators come from",
        Origin.CONTROLLER,
        _ASK,
        Control(Origin.CONTROLLER, {"login": f'{_ADMINISTRATOR}\nuser = "koin:@monitoring_password@"'}),
        {"url": "https://internal.bcsdlab.com", "login": _ADMINISTRATOR},
        won=r'"status":"success"',
    ),
    *(
        Move(
            f"reach {what} past the edge",
            Origin.PYTHON,
            "import socket\nsocket.create_connection(('@victim@', int('@port@')), 5).close()\n",
            Control(Origin.INTERNAL_PYTHON, {"victim": "127.0.0.1"}),
            {"victim": "172.31.16.10", "port": port},
        )
        for what, port in (("Prometheus", "9090"), ("the Alertmanager", "9093"), ("the prober", "9115"))
    ),
)

MOVES = (*REGISTRY, *EXPORTERS, *PROMETHEUS)
