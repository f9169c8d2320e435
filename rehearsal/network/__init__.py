"""Packets between local hosts pass as the security groups, network ACLs and routes of the account allow."""
