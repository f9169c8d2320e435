"""IAM: a permissions boundary is a policy that exists, and it exists as long as a role has it. Policies have names."""

from __future__ import annotations

from typing import Any

from moto.iam.exceptions import DeleteConflictException, NotFoundException
from moto.iam.models import IAMBackend, ManagedPolicy, Role


def apply() -> None:
    """Apply this module's corrections."""
    create, put, delete = IAMBackend.create_role, IAMBackend.put_role_permissions_boundary, IAMBackend.delete_policy

    def known(self: IAMBackend, boundary: str | None) -> None:
        """moto takes any text that looks like the ARN of a policy."""
        if boundary and self.policy_arn_regex.match(boundary) and boundary not in self.managed_policies:
            raise NotFoundException(f"Scope ARN: {boundary} does not exist or is not attachable.")

    def create_role(self: IAMBackend, *given: Any, **named: Any) -> Role:
        known(self, named.get("permissions_boundary") or (given[3] if len(given) > 3 else None))
        return create(self, *given, **named)

    def put_boundary(self: IAMBackend, role_name: str, permissions_boundary: str) -> None:
        known(self, permissions_boundary)
        put(self, role_name, permissions_boundary)

    def delete_unused(self: IAMBackend, policy_arn: str) -> None:
        """moto deletes a boundary in use."""
        if any(role.permissions_boundary_arn == policy_arn for role in self.roles.values()):
            raise DeleteConflictException("Cannot delete a policy attached to entities.")
        delete(self, policy_arn)

    # GetAccountAuthorizationDetails answers PolicyName, which moto looks for here.
    ManagedPolicy.policy_name = property(lambda self: self.name)  # type: ignore[attr-defined]
    IAMBackend.create_role = create_role  # type: ignore[method-assign]
    IAMBackend.put_role_permissions_boundary = put_boundary  # type: ignore[method-assign]
    IAMBackend.delete_policy = delete_unused  # type: ignore[method-assign]
