"""Every option of the role, changed."""

import pytest
from testinfra.host import Host


def test_names(host: Host) -> None:
    assert host.check_output("hostname") == "other"
    assert host.check_output("getent hosts neighbour").split()[0] == "10.9.9.8"
    # One name leads to one address, on the host itself as well.
    assert host.check_output("getent ahostsv4 other").split()[0] == "10.9.9.9"


def test_clock(host: Host) -> None:
    assert host.check_output("date +%Z") == "UTC"
    assert "server 10.9.9.7 iburst" in host.file("/etc/chrony/chrony.conf").content_string


def test_an_administrator_gets_in_and_becomes_root(host: Host) -> None:
    assert host.check_output("sudo -u minsu sudo --non-interactive id -u") == "0"
    keys = host.file("/home/minsu/.ssh/authorized_keys")
    assert (keys.user, keys.mode, len(keys.content_string.splitlines())) == ("minsu", 0o600, 1)


@pytest.mark.parametrize("package", ["htop", "tmux", "auditd"])
def test_what_is_not_asked_for_is_not_installed(host: Host, package: str) -> None:
    assert not host.package(package).is_installed


def test_updates_are_left_to_people(host: Host) -> None:
    assert 'APT::Periodic::Unattended-Upgrade "0";' in host.check_output("apt-config dump").splitlines()


def test_a_setting_of_the_kernel_wins_over_the_roles(host: Host) -> None:
    assert host.sysctl("net.ipv4.conf.all.log_martians") == 0


def test_idle_shells_stay(host: Host) -> None:
    assert host.check_output("bash --login -c 'echo -$TMOUT-'") == "--"


def test_the_journals_limits(host: Host) -> None:
    settings = host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=50M" in settings
    assert "MaxRetentionSec=3day" in settings
