"""What the role leaves on a host."""

from testinfra.host import Host


def test_time_zone(host: Host) -> None:
    assert host.check_output("date +%Z") == "KST"
