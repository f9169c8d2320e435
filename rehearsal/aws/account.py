"""The initial state of an account."""

from __future__ import annotations

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.ec2.models import EC2Backend, ec2_backends

from .state import ACCOUNT, REGION


def reset(empty: bool) -> None:
    """Forget everything; `empty` also removes the default VPC that moto makes in each region."""
    BackendDict.reset()
    reset_model_data()
    backend = ec2_backends[ACCOUNT][REGION]
    if empty:
        remove_default_vpc(backend)


def remove_default_vpc(backend: EC2Backend) -> None:
    """Delete the default VPC of a region and all that AWS made with it."""
    vpc_id = backend.default_vpc.id
    for gateway in list(backend.internet_gateways.values()):
        backend.detach_internet_gateway(gateway.id, vpc_id)
        backend.delete_internet_gateway(gateway.id)
    for subnet in backend.describe_subnets(filters={"vpc-id": [vpc_id]}):
        backend.delete_subnet(subnet.id)
    backend.delete_vpc(vpc_id)
    # What goes with a VPC on AWS, in case moto keeps it.
    for acl in [acl for acl in backend.network_acls.values() if acl.vpc_id == vpc_id]:
        del backend.network_acls[acl.id]
    for table in [table for table in backend.route_tables.values() if table.vpc_id == vpc_id]:
        del backend.route_tables[table.id]
    backend.groups.pop(vpc_id, None)
