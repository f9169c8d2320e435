"""Networks: the default VPC as AWS makes it, and what AWS refuses or moves."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_ip_addresses import ElasticAddress, ElasticAddressBackend
from moto.ec2.models.network_acls import NetworkAcl, NetworkAclBackend
from moto.ec2.models.route_tables import RouteBackend
from moto.ec2.responses.network_acls import NetworkACLs


def apply() -> None:
    """Apply this module's corrections."""
    _default_vpc()
    _acls()
    _addresses()
    _associations()


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

    get = NetworkACLs._get_param

    def get_icmp(self: NetworkACLs, name: str, if_none: Any = None) -> Any:
        """moto looks for ICMP type and code under another name, and drops them."""
        return get(self, name.replace("Icmp.", "IcmpTypeCode."), if_none)

    NetworkACLs._get_param = get_icmp  # type: ignore[method-assign, assignment]


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

    associate = ElasticAddressBackend.associate_address

    def associate_one(self: ElasticAddressBackend, *args: Any, **kwargs: Any) -> ElasticAddress:
        """moto leaves the address that an interface had before associated, and forgets whose the interface is."""
        address = associate(self, *args, **kwargs)
        if address.eni:
            address.instance = address.eni.instance or address.instance
            for other in self.addresses:
                if other is not address and other.eni is address.eni:
                    other.instance = other.eni = other.association_id = None
        return address

    ElasticAddressBackend.associate_address = associate_one  # type: ignore[method-assign]


def _associations() -> None:
    associate = RouteBackend.associate_route_table

    def associate_free(
        self: RouteBackend, route_table_id: str, gateway_id: str | None = None, subnet_id: str | None = None
    ) -> str:
        """moto answers with the association that a subnet has, although it is with another table."""
        for table in self.route_tables.values():
            if subnet_id and table.id != route_table_id and subnet_id in table._associations.values():
                raise EC2ClientError(
                    "Resource.AlreadyAssociated",
                    f"the specified association for route table {route_table_id} conflicts with an existing "
                    "association",
                )
        return associate(self, route_table_id, gateway_id, subnet_id)

    RouteBackend.associate_route_table = associate_free  # type: ignore[method-assign]
