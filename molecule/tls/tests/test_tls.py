"""A certificate that a client of the host accepts, for its names and no others, with a key that few may read."""

from testinfra.host import Host

FILES = "/etc/koin/tls/echo"


def test_the_key_stays_with_root_and_its_group(host: Host) -> None:
    key = host.file(f"{FILES}/key.pem")
    assert (key.user, key.group, key.mode) == ("root", "www-data", 0o640)


def test_the_authoritys_key_is_not_on_the_host(host: Host) -> None:
    found = host.check_output("grep --recursive --files-with-matches 'PRIVATE KEY' /etc/koin /tmp /root /home || true")
    assert sorted(found.split()) == ["/etc/koin/tls/caller/key.pem", f"{FILES}/key.pem"]


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


def purpose(host: Host, name: str, wanted: str) -> bool:
    """Whether a certificate is accepted as one of a server or a client."""
    folder = f"/etc/koin/tls/{name}"
    return host.run(f"openssl verify -purpose {wanted} -CAfile {folder}/ca.pem {folder}/cert.pem").succeeded


def test_a_server_is_no_client_and_a_client_no_server(host: Host) -> None:
    assert {
        name: (purpose(host, name, "sslserver"), purpose(host, name, "sslclient")) for name in ("echo", "caller")
    } == {
        "echo": (True, False),
        "caller": (False, True),
    }


def test_it_is_valid_for_90_days(host: Host) -> None:
    assert host.run(f"openssl x509 -noout -checkend $((89 * 86400)) -in {FILES}/cert.pem").succeeded
    assert host.run(f"openssl x509 -noout -checkend $((91 * 86400)) -in {FILES}/cert.pem").failed


def test_the_service_was_told(host: Host) -> None:
    assert host.file("/run/echo-certificate-changed").exists
