"""What visitors meet: every name of every site, asked from outside the host."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://edge"]

AUTHORITY = "/etc/koin/tls/ca.pem"
SECONDS = 20


class Connection(http.client.HTTPSConnection):
    """HTTPS to a name at a given address, whatever DNS says."""

    def __init__(self, name: str, address: str, context: ssl.SSLContext) -> None:
        super().__init__(name, context=context, timeout=SECONDS)
        self._address, self._trust = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, 443), timeout=SECONDS)
        self.sock = self._trust.wrap_socket(plain, server_hostname=self.host)


def trust(host: Host, variables: dict[str, Any]) -> ssl.SSLContext:
    """What a visitor's browser trusts; in a rehearsal the platform's own authority."""
    if variables.get("edge_certificates") == "internal":
        return ssl.create_default_context(cadata=host.file(AUTHORITY).content_string)
    return ssl.create_default_context()


def test_every_name_has_its_certificate_and_is_served(host: Host, variables: dict[str, Any]) -> None:
    context = trust(host, variables)
    found = {}
    for name in variables["verify_names"]:
        connection = Connection(name, variables["ansible_host"], context)
        # As a visitor and as the probes: not every program knows HEAD.
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert "max-age=" in (answer.getheader("Strict-Transport-Security") or ""), name
        found[name] = answer.status
        connection.close()
    broken = {name: status for name, status in found.items() if status >= 500}
    assert broken.keys() <= set(variables["verify_names_elsewhere"]), broken


def test_nothing_is_shown_without_a_login(host: Host, variables: dict[str, Any]) -> None:
    context = trust(host, variables)
    for name in variables["verify_names_login"]:
        connection = Connection(name, variables["ansible_host"], context)
        connection.request("GET", "/")
        # 403: this machine is in no range that may connect at all.
        assert connection.getresponse().status in (401, 403), name
        connection.close()


def test_http_leads_to_https(host: Host, variables: dict[str, Any]) -> None:
    for name in variables["verify_names"]:
        connection = http.client.HTTPConnection(variables["ansible_host"], timeout=SECONDS)
        connection.request("GET", "/path", headers={"Host": name})
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Location")) == (301, f"https://{name}/path")
        connection.close()


def test_a_name_that_nobody_declared_is_not_served(host: Host, variables: dict[str, Any]) -> None:
    with pytest.raises(ssl.SSLError), socket.create_connection((variables["ansible_host"], 443), SECONDS) as plain:
        trust(host, variables).wrap_socket(plain, server_hostname="nobody.example")
