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


@pytest.mark.parametrize("setting", ["ipv4 accept_redirects", "ipv4 secure_redirects", "ipv4 send_redirects"])
def test_every_interface_has_the_settings_after_a_boot_as_well(host: Host, setting: str) -> None:
    version, name = setting.split()
    values = f"cat /proc/sys/net/{version}/conf/*/{name}"
    assert set(host.check_output(values).split()) == {"0"}
    # At boot an interface may exist before the settings are applied.
    host.check_output(f"echo 1 > /proc/sys/net/{version}/conf/eth0/{name} && systemctl restart systemd-sysctl.service")
    assert set(host.check_output(values).split()) == {"0"}
    # Or appear later.
    host.check_output("ip link add later type bridge")
    try:
        assert set(host.check_output(values).split()) == {"0"}
    finally:
        host.check_output("ip link delete later")


def test_an_idle_login_shell_ends(host: Host) -> None:
    assert host.check_output("bash --login -c 'echo $TMOUT'") == "3600"
    assert host.check_output("TMUX=x bash --login -c 'echo -$TMOUT-'") == "--"
    assert host.check_output("bash --login -c 'ulimit -c'") == "0"


def test_the_keys_of_the_images_user_are_left_alone_unless_declared(host: Host) -> None:
    assert len(host.check_output("cat /home/admin/.ssh/authorized_keys").splitlines()) == 1
    assert not host.file("/home/admin/.ssh/authorized_keys.former").exists


def test_the_journal_stays_and_has_its_limit(host: Host) -> None:
    assert host.run("journalctl --directory=/var/log/journal --lines=1").rc == 0
    assert "SystemMaxUse=200M" in host.check_output("systemd-analyze cat-config systemd/journald.conf")


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_nobody_has_a_password(host: Host) -> None:
    shadow = host.check_output("cut -d : -f 2 /etc/shadow").splitlines()
    assert [entry for entry in shadow if entry.startswith("$")] == []
