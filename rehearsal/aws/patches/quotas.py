"""Service Quotas: the quotas of EC2 that the plan reads; moto has those of VPC only."""

from __future__ import annotations

from typing import Any

from moto.servicequotas.models import ServiceQuotasBackend

#: code -> name and AWS's usual value (that of vCPUs differs from account to account)
_EC2 = {
    "L-0263D0A3": ("EC2-VPC Elastic IPs", 5.0),
    "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 64.0),
}


def apply() -> None:
    """Apply this module's corrections."""
    get = ServiceQuotasBackend.get_service_quota

    def get_any(self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
        if service_code == "ec2" and quota_code in _EC2:
            name, value = _EC2[quota_code]
            return {
                "ServiceCode": "ec2",
                "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
                "QuotaCode": quota_code,
                "QuotaName": name,
                "Value": value,
                "Unit": "None",
                "Adjustable": True,
                "GlobalQuota": False,
            }
        return get(self, service_code, quota_code)

    ServiceQuotasBackend.get_service_quota = get_any  # type: ignore[method-assign]
