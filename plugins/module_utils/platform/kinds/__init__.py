"""All kinds in dependency order: a kind comes after those it refers to."""

from __future__ import annotations

from ..engine.catalogue import Catalogue
from .account import AccountSettings
from .audit import FlowLog, Trail
from .boundary import IamBoundary
from .cdn import Certificate, CertificateValidation, Distribution, HeadersPolicy, OriginAccessControl
from .compute import ElasticIp, Instance, KeyPair
from .dns import Record, Zone
from .iam import IamRole
from .monitoring import Alarm, Topic
from .network import InternetGateway, NetworkAcl, RouteTable, Subnet, Vpc
from .security import SecurityGroup
from .storage import Bucket

KINDS = Catalogue(
    (
        IamBoundary(),
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
        HeadersPolicy(),
        Distribution(),
        Bucket(),
        AccountSettings(),
        Trail(),
        FlowLog(),
        IamRole(),
        KeyPair(),
        Instance(),
        ElasticIp(),
        Record(),
        Topic(),
        Alarm(),
    )
)


def entries() -> dict[str, tuple[str, str]]:
    """Variable, or mapping keyed by name inside its entries -> (role, entry point); see ``schema.check``."""
    return KINDS.entries()


def defaults() -> dict[str, str]:
    """Variable -> the variable with defaults for each of its entries."""
    return KINDS.defaults()
