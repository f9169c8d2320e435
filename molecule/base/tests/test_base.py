"""What every host has."""

import pytest
from testinfra.host import Host


def test_clock(host: Host) -> None:
    assert host.check_output("date +%Z") == "KST"
    assert host.service("chrony").is_running
    assert host.service("chrony").is_enabled


def test_time_comes_from_where_it_should(host: Host) -> None:
    # Without a port for commands chronyc asks through the socket, as root.
    assert host.check_output("chronyc -n sources | tail -n +3 | cut -c 4- | cut -d ' ' -f 1").split() in (
        ["169.254.169.123"],
        # Where nothing answers at that address chrony may drop it between two attempts.
        [],
    )


def test_the_host_knows_its_name(host: Host) -> None:
    assert host.check_output("hostname") == "host"
    assert host.check_output("getent hosts host").split()[0].startswith("127.0.")


def test_nothing_listens_but_ssh(host: Host) -> None:
    lines = host.check_output("ss --no-header --listening --tcp --udp --numeric").splitlines()
    assert sorted(line.split()[4] for line in lines) == ["0.0.0.0:22", "[::]:22"]


def test_security_updates_install_themselves(host: Host) -> None:
    settings = host.check_output("apt-config dump").splitlines()
    assert 'APT::Periodic::Unattended-Upgrade "1";' in settings
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in settings
    assert host.service("apt-daily-upgrade.timer").is_enabled
    origins = {line.split('"')[1] for line in settings if line.startswith("Unattended-Upgrade::Origins-Pattern::")}
    assert origins == {
        f"origin=Debian,codename=${{distro_codename}}{suite},label=Debian-Security" for suite in ("", "-security")
    }
    assert host.run("unattended-upgrade --dry-run").rc == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.ipv4.conf.all.accept_redirects", 0),
        ("net.ipv4.conf.all.send_redirects", 0),
        ("net.ipv4.conf.all.rp_filter", 2),
        ("net.ipv4.tcp_syncookies", 1),
    ],
)
def test_the_kernel_has_the_settings(host: Host, name: str, value: int) -> None:
    assert host.sysctl(name) == value


def test_the_journal_stays_and_has_its_limit(host: Host) -> None:
    assert host.run("journalctl --directory=/var/log/journal --lines=1").rc == 0
    assert "SystemMaxUse=200M" in host.check_output("systemd-analyze cat-config systemd/journald.conf")


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_nobody_has_a_password(host: Host) -> None:
    shadow = host.check_output("cut -d : -f 2 /etc/shadow").splitlines()
    assert [entry for entry in shadow if entry.startswith("$")] == []
