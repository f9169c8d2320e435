"""The host has moved to another port, and the old one is closed."""

from testinfra.host import Host


def test_only_the_new_port_listens(host: Host) -> None:
    address = host.ansible.get_variables()["ansible_host"]
    lines = host.check_output("ss --no-header --listening --tcp --numeric --processes | grep sshd").splitlines()
    assert [line.split()[3] for line in lines] == [f"{address}:2222"]


def test_settings(host: Host) -> None:
    settings = host.check_output("sshd -T").splitlines()
    for line in ["allowusers admin", "allowusers deploy", "allowtcpforwarding no", "banner none"]:
        assert line in settings


def test_it_starts_by_itself(host: Host) -> None:
    assert host.service("ssh").is_enabled
