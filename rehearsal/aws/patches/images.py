"""Machine images: moto knows neither Debian's nor the SSM parameters that name them."""

from __future__ import annotations

import datetime
from typing import Any

from moto.ec2.models.amis import Ami, AmiBackend
from moto.ssm.models import Parameter, ParameterDict

DEBIAN = "136693071363"
CANONICAL = "099720109477"

# Ids are invented but constant: a rehearsal that is started again finds the images it used.
IMAGES: tuple[dict[str, Any], ...] = (
    {
        "ami_id": "ami-0deb13a000000a64",
        "name": "debian-13-amd64-20260112-2355",
        "description": "Debian 13 (20260112-2355)",
        "owner_id": DEBIAN,
        "architecture": "x86_64",
        "root_device_name": "/dev/xvda",
        "parameter": "/aws/service/debian/release/13/latest/amd64",
    },
    {
        "ami_id": "ami-0deb13a000000b64",
        "name": "debian-13-arm64-20260112-2355",
        "description": "Debian 13 (20260112-2355)",
        "owner_id": DEBIAN,
        "architecture": "arm64",
        "root_device_name": "/dev/xvda",
        "parameter": "/aws/service/debian/release/13/latest/arm64",
    },
    {
        "ami_id": "ami-0b22044000000a64",
        "name": "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20230516",
        "description": "Canonical, Ubuntu, 22.04 LTS, amd64 jammy image build on 2023-05-16",
        "owner_id": CANONICAL,
        "architecture": "x86_64",
        "root_device_name": "/dev/sda1",
    },
    {
        "ami_id": "ami-0b22044000000b64",
        "name": "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-20230516",
        "description": "Canonical, Ubuntu, 22.04 LTS, arm64 jammy image build on 2023-05-16",
        "owner_id": CANONICAL,
        "architecture": "arm64",
        "root_device_name": "/dev/sda1",
    },
)


def load_amis(self: AmiBackend) -> None:
    """Fill a region's images; called by moto whenever the region is made or reset."""
    for image in IMAGES:
        arguments = {name: value for name, value in image.items() if name != "parameter"}
        self.amis[image["ami_id"]] = Ami(
            self,
            **arguments,
            public=True,
            virtualization_type="hvm",
            hypervisor="xen",
            root_device_type="ebs",
            boot_mode="uefi-preferred",
            region_name=f"{self.region_name}a",  # type: ignore[attr-defined]
        )


def apply() -> None:
    """Register the images and the public parameters that name them."""
    # moto would load Amazon's own list here; the platform uses none of it.
    AmiBackend._load_amis = load_amis  # type: ignore[method-assign]

    check_loading_status = ParameterDict._check_loading_status

    def check_debian_too(self: ParameterDict, key: str) -> None:
        """Public parameters appear when first asked for; PutParameter refuses names under /aws."""
        check_loading_status(self, key)
        if not str(key or "").startswith("/aws/service/debian"):
            return
        for image in IMAGES:
            name = image.get("parameter")
            if name and not dict.__contains__(self, name):
                self.setdefault(
                    name,
                    [
                        Parameter(  # type: ignore[abstract]
                            account_id=self.account_id,
                            name=name,
                            value=image["ami_id"],
                            parameter_type="String",
                            description=None,
                            allowed_pattern=None,
                            keyid=None,
                            last_modified_date=datetime.datetime(2026, 1, 12, 23, 55, tzinfo=datetime.UTC),
                            version=1,
                            data_type="aws:ec2:image",
                        )
                    ],
                )

    ParameterDict._check_loading_status = check_debian_too  # type: ignore[method-assign]
