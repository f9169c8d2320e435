"""Instances: keep launch settings, apply changes, refuse impossible ones."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.models.elastic_network_interfaces import NetworkInterface, NetworkInterfaceBackend
from moto.ec2.models.iam_instance_profile import IamInstanceProfileAssociation, IamInstanceProfileAssociationBackend
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState, MetadataOptions
from moto.ec2.responses.instances import InstanceResponse


def apply() -> None:
    """Apply this module's corrections."""
    _launch()
    _credits()
    _changes()
    _volumes()
    _profiles()
    _termination()


def _launch() -> None:
    run_instances = InstanceResponse.run_instances

    def run(self: InstanceResponse) -> ActionResult:
        backend = self.ec2_backend
        # Wiped with the account: reset() empties the backend's attributes.
        launched = backend.__dict__.setdefault("_launched_by_token", {})
        token = self._get_param("ClientToken")
        if token and token in launched:
            # moto launches a twin when a client repeats a request that it got no answer to.
            return ActionResult(launched[token])
        _check_launch(self, backend)
        answer = run_instances(self)
        reservation: Any = answer.result
        for instance in reservation.instances:
            # moto ignores both parameters.
            instance.cpu_credits = self._get_param("CreditSpecification.CpuCredits")
            instance.disable_api_termination = bool(self._get_param("DisableApiTermination"))
            for nic in instance.nics.values():
                # moto reports the groups of the instance only when given outside NetworkInterfaces.
                if not instance.security_groups:
                    instance.security_groups = list(nic.group_set)
            _keep_interfaces(self, instance)
        if token:
            launched[token] = reservation
        return answer

    InstanceResponse.run_instances = run  # type: ignore[method-assign]

    def setup_defaults(self: Instance) -> None:
        """moto attaches the root volume as /dev/sda1 even where the image's root device is /dev/xvda."""
        volume = self.ec2_backend.create_volume(size=8, zone_name=self._placement.zone)
        self.ec2_backend.attach_volume(volume.id, self.id, self.root_device_name, True)

    Instance.setup_defaults = setup_defaults  # type: ignore[method-assign]


def _keep_interfaces(response: InstanceResponse, instance: Instance) -> None:
    """On AWS an interface made with an instance is deleted with it by default; moto's stay forever."""
    given = {int(nic.get("DeviceIndex", 0)): nic for nic in response._get_param("NetworkInterfaces", [])}
    for index, nic in instance.nics.items():
        if "NetworkInterfaceId" not in given.get(index, {}):
            nic.delete_on_termination = given.get(index, {}).get("DeleteOnTermination", True)


def _check_launch(response: InstanceResponse, backend: EC2Backend) -> None:
    """Refuse type, image, zone and address as AWS does; moto launches anything or fails with status 500."""
    kind = response._get_param("InstanceType")
    nics = response._get_param("NetworkInterfaces", [])
    subnet_id = response._get_param("SubnetId") or next((nic["SubnetId"] for nic in nics if "SubnetId" in nic), None)
    address = response._get_param("PrivateIpAddress") or next(
        (nic["PrivateIpAddress"] for nic in nics if "PrivateIpAddress" in nic), None
    )
    if kind in INSTANCE_TYPES and response._get_param("ImageId"):
        image = backend.describe_images(ami_ids=[response._get_param("ImageId")])[0]
        possible = INSTANCE_TYPES[kind]["ProcessorInfo"]["SupportedArchitectures"]
        if image.architecture not in possible:
            raise EC2ClientError(
                "InvalidParameterValue",
                f"The architecture '{','.join(possible)}' of the specified instance type does not match the "
                f"architecture '{image.architecture}' of the specified AMI.",
            )
    if not subnet_id:
        return
    subnet = backend.get_subnet(subnet_id)
    offered = {
        offer["Location"]
        for offer in INSTANCE_TYPE_OFFERINGS["availability-zone"].get(backend.region_name, [])
        if offer["InstanceType"] == kind
    }
    if kind and offered and subnet.availability_zone not in offered:
        raise EC2ClientError(
            "Unsupported",
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone "
            f"({subnet.availability_zone}).",
        )
    if address and address in subnet._subnet_ips:
        raise EC2ClientError("InvalidIPAddress.InUse", f"Address {address} is in use.")


def _credits() -> None:
    """moto answers `standard` for every instance and knows no ModifyInstanceCreditSpecification."""

    def credits_of(instance: Instance) -> str | None:
        family = instance.instance_type.partition(".")[0]
        if not INSTANCE_TYPES.get(instance.instance_type, {}).get("BurstablePerformanceSupported"):
            return None
        # T2 starts as standard, every later family as unlimited.
        default = "standard" if family == "t2" else "unlimited"
        return getattr(instance, "cpu_credits", None) or default

    def describe(self: InstanceResponse) -> ActionResult:
        ids = self._get_param("InstanceIds", [])
        instances = self.ec2_backend.get_multi_instances_by_id(ids) if ids else self.ec2_backend.all_instances()
        answers = [{"InstanceId": item.id, "CpuCredits": credits_of(item)} for item in instances]
        return ActionResult({"InstanceCreditSpecifications": [item for item in answers if item["CpuCredits"]]})

    def modify(self: InstanceResponse) -> ActionResult:
        self.error_on_dryrun()
        changed = []
        for wanted in self._get_param("InstanceCreditSpecifications", []):
            self.ec2_backend.get_instance(wanted["InstanceId"]).cpu_credits = wanted["CpuCredits"]
            changed.append({"InstanceId": wanted["InstanceId"]})
        return ActionResult(
            {"SuccessfulInstanceCreditSpecifications": changed, "UnsuccessfulInstanceCreditSpecifications": []}
        )

    InstanceResponse.describe_instance_credit_specifications = describe  # type: ignore[method-assign]
    InstanceResponse.modify_instance_credit_specification = modify  # type: ignore[attr-defined]


def _changes() -> None:
    modify_attribute = InstanceBackend.modify_instance_attribute

    def modify_instance_attribute(self: InstanceBackend, instance_id: str, key: str, value: Any) -> Instance:
        instance = self.get_instance(instance_id)
        if key == "instance_type" and instance.state != "stopped":
            # moto changes the type of a running instance.
            raise EC2ClientError(
                "IncorrectInstanceState", f"The instance '{instance_id}' is not in the 'stopped' state."
            )
        return modify_attribute(self, instance_id, key, value)

    modify_groups = InstanceBackend.modify_instance_security_groups

    def modify_instance_groups(self: InstanceBackend, instance_id: str, new_group_id_list: list[str]) -> Instance:
        """moto changes the groups of an instance, whatever number of interfaces it has."""
        if len(self.get_instance(instance_id).nics) > 1:
            raise EC2ClientError(
                "InvalidInstanceID",
                f"There are multiple interfaces attached to instance '{instance_id}'. "
                "Please specify an interface ID for the operation instead.",
            )
        return modify_groups(self, instance_id, new_group_id_list)

    modify_interface = NetworkInterfaceBackend.modify_network_interface_attribute

    def modify_interface_groups(
        self: NetworkInterfaceBackend, eni_id: str, group_ids: list[str], *args: Any, **kwargs: Any
    ) -> None:
        """The groups of an instance are those of its first interface; moto keeps them apart."""
        modify_interface(self, eni_id, group_ids, *args, **kwargs)
        interface = self.get_network_interface(eni_id)
        if group_ids and interface.instance and interface.instance.nics.get(0) is interface:
            interface.instance.security_groups = list(interface._group_set)

    def own_groups(self: NetworkInterface) -> Any:
        """moto gives every interface the groups of its instance as well, which are those of the first one."""
        host = self.instance
        first = host is not None and host.nics.get(0) is self
        return list(host.security_groups) if host and first and host.security_groups else self._group_set

    NetworkInterface.group_set = property(own_groups)  # type: ignore[assignment]

    InstanceBackend.modify_instance_security_groups = modify_instance_groups  # type: ignore[method-assign]
    NetworkInterfaceBackend.modify_network_interface_attribute = modify_interface_groups  # type: ignore[method-assign]

    def modify_metadata(self: InstanceBackend, instance_id: str, **changes: Any) -> MetadataOptions:
        """moto forgets each option that a change does not mention."""
        options = self.get_instance(instance_id).metadata_options
        attributes = {
            "http_tokens": "http_tokens",
            "hop_limit": "http_put_response_hop_limit",
            "http_endpoint": "http_endpoint",
            "http_protocol": "http_protocol_ipv6",
            "metadata_tags": "instance_metadata_tags",
        }
        for name, attribute in attributes.items():
            if changes.get(name) is not None:
                setattr(options, attribute, changes[name])
        return options

    InstanceBackend.modify_instance_attribute = modify_instance_attribute  # type: ignore[method-assign]
    InstanceBackend.modify_instance_metadata_options = modify_metadata  # type: ignore[method-assign, assignment]


def _volumes() -> None:
    def delete_on_termination(self: VolumeAttachment) -> bool:
        """Missing in moto's DescribeVolumes; the instance's mapping has it."""
        device = self.instance.block_device_mapping.get(self.device)
        return bool(device and device.delete_on_termination)

    VolumeAttachment.delete_on_termination = property(delete_on_termination)  # type: ignore[attr-defined]


def _profiles() -> None:
    associate = IamInstanceProfileAssociationBackend.associate_iam_instance_profile
    replace = IamInstanceProfileAssociationBackend.replace_iam_instance_profile_association

    def tell(association: IamInstanceProfileAssociation) -> IamInstanceProfileAssociation:
        """moto's instance keeps the replaced profile, and the association's id in place of the profile's."""
        profile = association.iam_instance_profile
        association.instance.iam_instance_profile = {"Arn": profile.arn, "Id": profile.id}
        return association

    def associate_at_rest(
        self: IamInstanceProfileAssociationBackend, instance_id: str, *args: Any, **kwargs: Any
    ) -> IamInstanceProfileAssociation:
        """moto does so whatever the instance's state is."""
        if self.get_instance(instance_id).state not in ("running", "stopped"):  # type: ignore[attr-defined]
            raise EC2ClientError(
                "IncorrectInstanceState", f"The instance '{instance_id}' is not in the 'running' or 'stopped' states."
            )
        return tell(associate(self, instance_id, *args, **kwargs))

    def replace_running(
        self: IamInstanceProfileAssociationBackend, association_id: str, *args: Any, **kwargs: Any
    ) -> IamInstanceProfileAssociation:
        """moto does so for a stopped instance, too (aws-cli#5251)."""
        for association in self.iam_instance_profile_associations.values():
            if association.association_id == association_id and association.instance.state != "running":
                raise EC2ClientError(
                    "IncorrectState", f"The association {association_id} is not the active association"
                )
        return tell(replace(self, association_id, *args, **kwargs))

    IamInstanceProfileAssociationBackend.associate_iam_instance_profile = (  # type: ignore[method-assign]
        associate_at_rest
    )
    IamInstanceProfileAssociationBackend.replace_iam_instance_profile_association = (  # type: ignore[method-assign]
        replace_running
    )


def _termination() -> None:
    terminate = Instance.terminate

    def release(self: Instance) -> InstanceState:
        """moto keeps the private and the elastic address of a terminated instance, so neither can be used again."""
        if self.state == "terminated":
            return terminate(self)
        for address in self.ec2_backend.addresses:
            if address.instance is self or address.eni in self.nics.values():
                address.instance = address.eni = address.association_id = None
        subnet = self.ec2_backend.get_subnet(self.subnet_id)
        private_ip = self.private_ip
        for nic in list(self.nics.values()):
            # moto refuses to delete an interface that is attached.
            nic.status = "available"
        previous = terminate(self)
        subnet.del_subnet_ip(private_ip)
        return previous

    Instance.terminate = release  # type: ignore[method-assign]
