"""All kinds, in the order in which they depend on each other: what is referred to comes first."""

from __future__ import annotations

from .base import Context, Kind
from .cdn import Certificate, CertificateValidation, Distribution, OriginAccessControl
from .compute import ElasticIp, Instance, KeyPair
from .dns import Record, Zone
from .iam import IamRole
from .monitoring import Alarm, Topic
from .network import InternetGateway, NetworkAcl, RouteTable, Subnet, Vpc
from .security import SecurityGroup
from .storage import Bucket

KINDS: tuple[Kind, ...] = (
    Vpc(),
    InternetGateway(),
    Subnet(),
    RouteTable(),
    NetworkAcl(),
    SecurityGroup(),
    Zone(),
    Certificate(),
    CertificateValidation(),
    OriginAccessControl(),
    Distribution(),
    Bucket(),
    IamRole(),
    KeyPair(),
    Instance(),
    ElasticIp(),
    Record(),
    Topic(),
    Alarm(),
)

__all__ = ["KINDS", "Context", "Kind"]
