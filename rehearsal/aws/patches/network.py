"""Networks: the default VPC as AWS makes it, and rules that moto cannot store."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_ip_addresses import ElasticAddress, ElasticAddressBackend
from moto.ec2.models.network_acls import NetworkAcl, NetworkAclBackend
from moto.ec2.models.security_groups import SecurityGroupRule

# Protocols that have ports or ICMP types; a rule for any other has neither.
_WITH_PORTS = {"tcp", "6", "udp", "17", "icmp", "1", "icmpv6", "58"}


def apply() -> None:
    """Apply this module's corrections."""
    _default_vpc()
    _security_group_rules()
    _acls()
    _addresses()


def _default_vpc() -> None:
    begin = EC2Backend.__init__

    def begin_with_gateway(self: EC2Backend, region_name: str, account_id: str) -> None:
        """A default VPC has an internet gateway and a route to it; moto's has neither."""
        begin(self, region_name, account_id)
        gateway = self.create_internet_gateway()
        self.attach_internet_gateway(gateway.id, self.default_vpc.id)
        table = next(item for item in self.route_tables.values() if item.vpc_id == self.default_vpc.id)
        self.create_route(table.id, "0.0.0.0/0", None, gateway_id=gateway.id)

    EC2Backend.__init__ = begin_with_gateway  # type: ignore[method-assign]


def _security_group_rules() -> None:
    begin = SecurityGroupRule.__init__

    def begin_without_ports(
        self: SecurityGroupRule,
        ec2_backend: Any,
        ip_protocol: str,
        group_id: str,
        from_port: str | None,
        to_port: str | None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """moto reads ports of every protocol but -1 and fails on ESP (50), which has none."""
        portless = bool(ip_protocol) and str(ip_protocol).lower() not in _WITH_PORTS
        if portless:
            from_port = to_port = "-1"
        begin(self, ec2_backend, ip_protocol, group_id, from_port, to_port, *args, **kwargs)
        if portless and self.ip_protocol != "-1":
            self.from_port = self.to_port = None

    SecurityGroupRule.__init__ = begin_without_ports  # type: ignore[method-assign]


def _acls() -> None:
    create = NetworkAclBackend.create_network_acl

    def create_denying(self: NetworkAclBackend, vpc_id: str, tags: Any = None, default: bool = False) -> NetworkAcl:
        """Every NACL ends in two entries that deny all; moto gives them to default NACLs only."""
        acl = create(self, vpc_id, tags, default)
        if not default:
            for egress in (True, False):
                self.create_network_acl_entry(
                    acl.id, 32767, "-1", "deny", egress, "0.0.0.0/0", None, None, None, None, None
                )
        return acl

    NetworkAclBackend.create_network_acl = create_denying  # type: ignore[method-assign]

    value_of = NetworkAcl.get_filter_value

    def value_with_id(self: NetworkAcl, filter_name: str, method_name: str | None = None) -> Any:
        """amazon.aws.ec2_vpc_nacl looks an ACL up by its id; moto has no such filter."""
        return self.id if filter_name == "network-acl-id" else value_of(self, filter_name, method_name)

    NetworkAcl.get_filter_value = value_with_id  # type: ignore[method-assign]


def _addresses() -> None:
    allocate = ElasticAddressBackend.allocate_address

    def allocate_once(
        self: ElasticAddressBackend, domain: str, address: str | None = None, tags: dict[str, str] | None = None
    ) -> ElasticAddress:
        """moto allocates an address a second time, although the account holds it."""
        if address and any(held.public_ip == address for held in self.addresses):
            raise EC2ClientError("InvalidAddress.InUse", f"The address {address} is already allocated.")
        return allocate(self, domain, address, tags)

    ElasticAddressBackend.allocate_address = allocate_once  # type: ignore[method-assign]
