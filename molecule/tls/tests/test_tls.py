"""A certificate that a client of the host accepts, for its names and no others, with a key that few may read."""

from testinfra.host import Host

FILES = "/etc/koin/tls/echo"


def test_the_key_stays_with_root_and_its_group(host: Host) -> None:
    key = host.file(f"{FILES}/key.pem")
    assert (key.user, key.group, key.mode) == ("root", "www-data", 0o640)


def test_the_authoritys_key_is_not_on_the_host(host: Host) -> None:
    found = host.check_output("grep --recursive --files-with-matches 'PRIVATE KEY' /etc/koin /tmp /root /home || true")
    assert found.split() == [f"{FILES}/key.pem"]


def handshake(host: Host, name: str) -> int:
    """Exit status of a client that trusts what the host trusts, and asks for a name."""
    return host.run(
        f"openssl s_server -quiet -accept 127.0.0.1:4433 -key {FILES}/key.pem -cert {FILES}/cert.pem >/dev/null 2>&1 & "
        "server=$!; sleep 1; "
        f"curl --noproxy '*' --silent --max-time 5 --connect-to {name}:4433:127.0.0.1:4433 https://{name}:4433/"
        " --output /dev/null; status=$?; kill $server; "
        # 28, 52: after the handshake s_server has nothing to say.
        "case $status in 28 | 52) exit 0 ;; *) exit $status ;; esac"
    ).rc


def test_clients_accept_it_for_its_name(host: Host) -> None:
    assert handshake(host, "echo.example") == 0


def test_clients_refuse_it_for_another_name(host: Host) -> None:
    # 60: the certificate does not match.
    assert handshake(host, "other.example") == 60


def test_the_service_was_told(host: Host) -> None:
    assert host.file("/run/echo-certificate-changed").exists
