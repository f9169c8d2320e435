"""Filters that derive declared values from others, so that each is declared only once. Pure."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.declared_hosts import host_name  # noqa: E402 - after the path is set
from ansible.module_utils.platform.kinds.succession import successor  # noqa: E402

Entry = Mapping[str, Any]


def missing_hosts(instances: Mapping[str, Entry], present: Iterable[str]) -> list[str]:
    """Hosts of instances that are declared to run and that are not in the inventory."""
    running = {host_name(name) for name, entry in instances.items() if entry.get("state", "running") == "running"}
    return sorted(running - set(present))


def former_hosts(instances: Mapping[str, Entry], hosts: Iterable[str], hostvars: Mapping[str, Entry]) -> dict[str, str]:
    """Declared hosts that are being replaced -> the former instance, which serves until it has handed over.

    hosts: those of the account that run, declared or not.
    """
    found = ((successor(hostvars[host].get("ec2_tags", {}), instances), host) for host in hosts)
    return {host_name(name): host for name, host in found if name}


def serving_addresses(
    addresses: Mapping[str, str], former: Mapping[str, str], hostvars: Mapping[str, Entry], own: str
) -> dict[str, str]:
    """The addresses at which hosts serve. own: the host that asks, which knows itself by its own address."""
    moved = {host: hostvars[name]["ec2_private_ip_address"] for host, name in former.items() if host != own}
    return {host: moved.get(host, address) for host, address in addresses.items()}


def checked_inventory(hostvars: Mapping[str, Entry], groups: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """What the checks of a running platform take: its hosts, each with its `verify_values`, less empty ones.

    testinfra does not fill in templates.
    """
    hosts = {
        host: {name: value for name, value in hostvars[host]["verify_values"].items() if value != ""}
        for host in groups["platform"]
    }
    children: dict[str, Any] = {
        name: {"hosts": {member: {} for member in members}}
        for name, members in groups.items()
        if name not in ("all", "ungrouped")
    }
    return {"all": {"hosts": hosts, "children": children}}


def people(admins: Mapping[str, Entry], login_user: str, login_keys: Iterable[str]) -> dict[str, list[str]]:
    """Who may log in to a host, and with which keys: the image's own user and the administrators."""
    stay = {name: entry for name, entry in admins.items() if entry.get("state", "present") == "present"}
    return {login_user: list(login_keys), **{name: list(entry.get("keys", [])) for name, entry in stay.items()}}


# --- Offers: who listens where, for whom -----------------------------------------------------------------------------


def offered_rules(offers: Mapping[str, Entry], group: str, administrators: Iterable[str]) -> dict[str, Any]:
    """The inbound rules of a security group, by the name of the offer that each is for."""
    rules = {}
    for name, offer in offers.items():
        if group not in offer["groups"]:
            continue
        rule: dict[str, Any] = {"protocol": offer.get("protocol", "tcp")}
        if "port" in offer:
            rule["port"] = offer["port"]
        clients = offer["clients"]
        if clients == "internet":
            rule["cidrs"] = ["0.0.0.0/0"]
        elif clients == "administrators":
            rule["cidrs"] = list(administrators)
        elif clients == "members":
            rule["groups"] = [group]
        elif isinstance(clients, str):
            raise AnsibleFilterError(
                f"platform_offers.{name}.clients is `{clients}`: write internet, administrators, members or "
                "[SECURITY GROUP]"
            )
        else:
            rule["groups"] = list(clients)
        rules[name] = rule
    return rules


def _port(offer: Entry) -> str:
    return f"{offer.get('protocol', 'tcp')} {offer['port']}"


def listening(offers: Mapping[str, Entry], groups: Collection[str]) -> list[str]:
    """What always listens on a host of these groups, as `tcp 3306`."""
    always = [offer for offer in offers.values() if "port" in offer and offer.get("listens") != "sometimes"]
    return sorted({_port(offer) for offer in always if offer["function"] in groups})


def listening_sometimes(offers: Mapping[str, Entry]) -> list[str]:
    """What may listen, or not."""
    return sorted({_port(offer) for offer in offers.values() if offer.get("listens") == "sometimes"})


# --- Swarms ----------------------------------------------------------------------------------------------------------


def swarm_clusters(
    swarms: Mapping[str, Entry], instances: Mapping[str, Entry], groups: Mapping[str, Iterable[str]]
) -> dict[str, dict[str, Any]]:
    """The Swarms, as the role swarm takes them: the members are the hosts whose entries name it."""
    own = {name: entry.get("security_group", "") for name, entry in swarms.items()}
    clusters: dict[str, dict[str, Any]] = {}
    for name, entry in swarms.items():
        members: dict[str, list[str]] = {}
        for kind in ("managers", "workers"):
            present = set(groups.get(f"swarm_{kind}", ()))
            named = {host_name(other) for other, instance in instances.items() if instance.get("swarm") == name}
            members[kind] = sorted(present & named)
        clusters[name] = {**members, "inherits": entry.get("inherits", False)}
    for instance, entry in instances.items():
        where, swarm = f"aws_compute_instances.{instance}", entry.get("swarm")
        if swarm and swarm not in swarms:
            raise AnsibleFilterError(
                f"{where}.swarm: `{swarm}` is not in platform_swarms; write one of {', '.join(swarms)}"
            )
        listed = entry.get("security_groups", ())
        if swarm and own[swarm] not in listed:
            raise AnsibleFilterError(f"{where}.security_groups: add {own[swarm]}, the group of its Swarm {swarm}")
        for other, group in own.items():
            if other != swarm and group in listed:
                raise AnsibleFilterError(
                    f"{where}.security_groups: {group} is the group of the Swarm {other}, which this host is not in; "
                    "remove it"
                )
    return clusters


def swarm_stacks(stacks: Mapping[str, Entry], swarm: str) -> dict[str, dict[str, Any]]:
    """The stacks that run in a Swarm."""
    return {
        name: {key: value for key, value in stack.items() if key != "swarm"}
        for name, stack in stacks.items()
        if swarm and stack.get("swarm") == swarm
    }


def stacks_elsewhere(stacks: Mapping[str, Entry], swarm: str) -> list[str]:
    """The stacks that run in another Swarm than this host's."""
    return sorted(name for name, stack in stacks.items() if swarm and stack.get("swarm") != swarm)


# --- Monitoring ------------------------------------------------------------------------------------------------------


def host_labels(
    instances: Mapping[str, Entry], hostvars: Mapping[str, Entry], hosts: Iterable[str], environments: Entry
) -> dict[str, dict[str, str]]:
    """The labels of every host of the platform."""
    entries = {host_name(name): entry for name, entry in instances.items()}
    return {
        host: {
            "host": host,
            "role": entries[host]["role"],
            "env": environments.get(entries[host]["role"], "shared"),
            "arch": hostvars[host]["ec2_architecture"],
            **({"swarm": entries[host]["swarm"]} if entries[host].get("swarm") else {}),
        }
        for host in hosts
    }


def monitoring_jobs(
    offers: Mapping[str, Entry],
    groups: Mapping[str, Iterable[str]],
    addresses: Mapping[str, str],
    labels: Mapping[str, Entry],
) -> dict[str, Any]:
    """What Prometheus asks, by job: the hosts of every offer that has metrics."""
    jobs = {}
    for offer in offers.values():
        if "metrics" in offer:
            targets = {
                host: {"address": f"{addresses[host]}:{offer['port']}", "labels": labels[host]}
                for host in groups.get(offer["function"], [])
            }
            metrics = offer["metrics"]
            certificate = metrics.get("client_certificate", False)
            jobs[metrics["job"]] = {"client_certificate": certificate, "targets": targets}
    return jobs


def site_probes(
    sites: Mapping[str, Mapping[str, Entry]], addresses: Mapping[str, str], labels: Mapping[str, Entry]
) -> dict[str, Any]:
    """Every public name, asked of the host that serves it."""
    return {
        name: {"url": f"https://{addresses[host]}/", "hostname": name, "labels": labels[host]}
        for instance, of_instance in sites.items()
        if (host := host_name(instance)) in addresses
        for site in of_instance.values()
        for name in site["names"]
    }


def offer_probes(
    offers: Mapping[str, Entry],
    groups: Mapping[str, Iterable[str]],
    addresses: Mapping[str, str],
    labels: Mapping[str, Entry],
) -> dict[str, Any]:
    """Every offer with a path to ask for."""
    return {
        name: {
            "url": f"https://{addresses[host]}:{offer['port']}{offer['probe']}",
            "hostname": host,
            "labels": labels[host],
        }
        for name, offer in offers.items()
        if "probe" in offer
        for host in groups.get(offer["function"], [])
    }


# --- Sites: public names and what serves them ------------------------------------------------------------------------


def site_names(sites: Mapping[str, Mapping[str, Entry]], instance: str) -> list[str]:
    """The public names that an instance serves."""
    return [name for site in sites.get(instance, {}).values() for name in site["names"]]


def site_origins(sites: Mapping[str, Mapping[str, Entry]], instance: str, wanted: Iterable[str]) -> list[str]:
    """The origins (https://name) of some of an instance's sites, as browsers send them."""
    known = sites.get(instance, {})
    for site in wanted:
        if site not in known:
            fix = f"write one of {', '.join(sorted(known))}" if known else "declare it"
            raise AnsibleFilterError(f"platform_sites.{instance}: it has no site `{site}`; {fix}")
    return [f"https://{name}" for site in wanted for name in known[site]["names"]]


def names_elsewhere(sites: Mapping[str, Mapping[str, Entry]]) -> list[str]:
    """The public names whose pages another project deploys."""
    return [
        name
        for of_instance in sites.values()
        for site in of_instance.values()
        if site.get("elsewhere", False)
        for name in site["names"]
    ]


def site_records(sites: Mapping[str, Mapping[str, Entry]], zones: Iterable[str]) -> dict[str, dict[str, str]]:
    """A record for every public name, in the zone that holds it."""
    known = sorted(zones, key=len, reverse=True)
    records: dict[str, dict[str, str]] = {}
    for instance, of_instance in sites.items():
        for site, entry in of_instance.items():
            where = f"platform_sites.{instance}.{site}.names"
            for name in entry["names"]:
                zone = next((zone for zone in known if name == zone or name.endswith(f".{zone}")), "")
                if not zone:
                    raise AnsibleFilterError(
                        f"{where}: {name} lies in no zone of aws_dns_zones; declare its zone there"
                    )
                if name in records:
                    other = records[name]["host"]
                    raise AnsibleFilterError(f"{where}: {name} is declared for {other} as well; keep one of the two")
                records[name] = {"zone": zone, "type": "A", "host": instance}
    return records


def _login(instance: str, site: str, user: str) -> str:
    return f"login_{instance}_{site}_{user}"


def login_parameters(sites: Mapping[str, Mapping[str, Entry]]) -> dict[str, dict[str, str]]:
    """The SSM parameter of the password of every user of every site, by the name of the secret."""
    return {
        _login(instance, name, user): {"path": path}
        for instance, of_instance in sites.items()
        for name, site in of_instance.items()
        for user, path in site.get("users", {}).items()
    }


def rotatable_secrets(parameters: Mapping[str, Entry]) -> list[str]:
    """Names of the generated secrets that can get a new value in one run."""
    return sorted(
        name
        for name, entry in parameters.items()
        if entry.get("kind", "password") == "password" and not entry.get("kept")
    )


def names_with_login(sites: Mapping[str, Mapping[str, Entry]], instance: str) -> list[str]:
    """The public names of an instance that nobody gets to see without a login."""
    return [name for site in sites.get(instance, {}).values() if site.get("users") for name in site["names"]]


def edge_sites(
    sites: Mapping[str, Mapping[str, Entry]],
    instance: str,
    address: str,
    stacks: Mapping[str, Entry],
    secrets: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """The sites of an instance, as the role edge takes them.

    A `service` becomes the port that it publishes, and a user's parameter the password in it.
    """
    found = {}
    for name, site in sites.get(instance, {}).items():
        entry = {key: value for key, value in site.items() if key not in ("elsewhere", "service")}
        if "service" in site:
            where = f"platform_sites.{instance}.{name}.service"
            entry["upstreams"] = [f"{address}:{_published(where, site['service'], stacks)}"]
        if "users" in site:
            entry["users"] = {user: secrets[_login(instance, name, user)] for user in site["users"]}
        found[name] = entry
    return found


def sites_with_page(sites: Mapping[str, Mapping[str, Entry]], path: str) -> dict[str, dict[str, Any]]:
    """The site of each instance that shows a page at a path: its `name`, the page's `file`, and its `users`.

    A page that tells of the platform is for those who log in: errors, where a site asks for no login or none shows it.
    """
    found = {}
    for instance, entries in sites.items():
        for name, site in entries.items():
            if path not in site.get("pages", {}):
                continue
            if not site.get("users"):
                raise AnsibleFilterError(
                    f"platform_sites.{instance}.{name}: it shows {path} to everybody; give it `users`, or take {path} "
                    "out of its `pages`"
                )
            found[instance] = {"name": site["names"][0], "file": site["pages"][path], "users": sorted(site["users"])}
    if not found:
        raise AnsibleFilterError(
            f"platform_sites: no site shows {path}; give one that has `users`, such as that of the monitoring, "
            f"`pages: {{{path}: /usr/local/koin/pages/platform.html}}`"
        )
    return found


def _published(where: str, service: str, stacks: Mapping[str, Entry]) -> int:
    known = {f"{stack}/{name}": of for stack, entry in stacks.items() for name, of in entry["services"].items()}
    if service not in known:
        raise AnsibleFilterError(f"{where}: no service `{service}` in platform_stacks; write one of {', '.join(known)}")
    ports = list(known[service].get("publish", {}))
    if len(ports) != 1:
        raise AnsibleFilterError(f"{where}: {service} publishes {len(ports)} ports; `publish` exactly one")
    return int(ports[0])


def _runs_on(service: Entry, labels: Mapping[str, str]) -> bool:
    """Whether tasks of a service may be placed on a node with these labels."""
    return all(labels.get(label) == value for label, value in service.get("placement", {}).items())


def _placed(stacks: Mapping[str, Entry], labels: Mapping[str, str]) -> Iterator[tuple[str, Entry]]:
    """The services that run on a node with these labels, by where they are declared."""
    for stack, entry in stacks.items():
        for name, service in entry["services"].items():
            if _runs_on(service, labels):
                yield f"platform_stacks.{stack}.services.{name}", service


def published_ports(stacks: Mapping[str, Entry], labels: Mapping[str, str]) -> list[str]:
    """The ports of services that run on a node with these labels, as `tcp 8080`."""
    return sorted({f"tcp {port}" for _, service in _placed(stacks, labels) for port in service.get("publish", {})})


# --- Backups ---------------------------------------------------------------------------------------------------------

#: what role backup_data does on a host -> the variable that says so
_DATA_JOBS = {"volumes": "backup_data_volumes", "swarm": "backup_data_swarm", "valkey": "backup_data_valkey"}


def backed_up_volumes(stacks: Mapping[str, Entry], labels: Mapping[str, str]) -> list[str]:
    """The volumes that are to be backed up on a node with these labels, by their full names."""
    return sorted(
        {
            f"{stack}_{mount['source']}"
            for stack, entry in stacks.items()
            for name, service in entry["services"].items()
            for path, mount in service.get("mounts", {}).items()
            if _backed_up(f"platform_stacks.{stack}.services.{name}.mounts.{path}", mount) and _runs_on(service, labels)
        }
    )


def _backed_up(where: str, mount: Entry) -> bool:
    wanted = mount.get("backup", False)
    if not isinstance(wanted, bool):
        raise AnsibleFilterError(f"{where}.backup: `{wanted}` is neither true nor false")
    if wanted and str(mount.get("source", "")).startswith("/"):
        raise AnsibleFilterError(
            f"{where}.backup: `{mount['source']}` is a path on the node, and volumes are backed up; write the name of "
            "a volume as `source`"
        )
    return wanted


def _repository_secret(role: str) -> str:
    return f"backup_{role.replace('-', '_')}"


def repository_parameters(roles: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    """The SSM parameters of the passwords of the hosts' own repositories, by the name of the secret.

    Whoever loses one has no backups, and another one would not open them.
    """
    return {
        _repository_secret(role): {"path": f"/koin/backup/{role}", "kept": True}
        for role, entry in roles.items()
        if entry.get("repositories")
    }


def host_repository(roles: Mapping[str, Entry], profile: str) -> dict[str, str]:
    """Where a host with this instance profile keeps its own backups, and the name of the secret that opens them."""
    own = roles.get(profile, {}).get("repositories", {})
    if not own:
        return {"bucket": "", "path": "", "secret": ""}
    if len(own) > 1:
        raise AnsibleFilterError(
            f"aws_iam_roles.{profile}.repositories: a host backs up to one bucket; keep one of {', '.join(own)}"
        )
    ((bucket, path),) = own.items()
    return {"bucket": bucket, "path": path, "secret": _repository_secret(profile)}


def data_backups(hosts: Iterable[str], hostvars: Mapping[str, Entry]) -> dict[str, dict[str, str]]:
    """The backups of role backup_data that each host makes, as the monitoring expects them."""
    return {
        f"{host}-{job}": {"host": host}
        for host in sorted(hosts)
        for job, variable in _DATA_JOBS.items()
        if hostvars[host].get(variable)
    }


# --- What containers need --------------------------------------------------------------------------------------------

#: the offer that a service with a `database` needs
_DATABASE_OFFER = "mysql"


def containers_reach(
    stacks: Mapping[str, Entry],
    labels: Mapping[str, str],
    offers: Mapping[str, Entry],
    groups: Mapping[str, Iterable[str]],
    addresses: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """The offers that services on a node with these labels need, and those to anybody, as role docker takes them."""
    wanted = {name for name, offer in offers.items() if offer["clients"] == "internet"}
    known = sorted(name for name, offer in offers.items() if "port" in offer)
    for where, service in _placed(stacks, labels):
        if "database" in service:
            wanted.add(_DATABASE_OFFER)
        for number, name in enumerate(service.get("uses", ())):
            if name not in known:
                raise AnsibleFilterError(
                    f"{where}.uses.{number}: `{name}` is no offer with a port; write one of {', '.join(known)}"
                )
            wanted.add(name)
    found = {}
    for name, offer in offers.items():
        members = [addresses[host] for host in sorted(groups.get(offer["function"], [])) if host in addresses]
        if name in wanted and members:
            found[name] = {"protocol": offer.get("protocol", "tcp"), "port": offer["port"], "addresses": members}
    return found


def containers_ask_metadata(stacks: Mapping[str, Entry], labels: Mapping[str, str]) -> bool:
    """Whether a service on a node with these labels needs the permissions of its instance."""
    return any(service.get("metadata", False) for _, service in _placed(stacks, labels))


# --- Databases and what uses them ------------------------------------------------------------------------------------


def password_parameters(entries: Mapping[str, Entry], server: str) -> dict[str, dict[str, str]]:
    """The SSM parameter of every entry's password, by the name of the secret."""
    return {f"{server}_{name}": {"path": entry["password"]} for name, entry in entries.items()}


def database_parameters(databases: Mapping[str, Entry]) -> dict[str, dict[str, str]]:
    """The SSM parameters of the passwords of both users of every database, by the name of the secret."""
    applications = {_application(name): {"password": entry["app_password"]} for name, entry in databases.items()}
    return password_parameters({**databases, **applications}, "mariadb")


def _application(database: str) -> str:
    return f"{database}_app"


def database_clients(
    stacks: Mapping[str, Entry], hosts: Iterable[str], hostvars: Mapping[str, Entry], *addresses: Mapping[str, str]
) -> dict[str, list[str]]:
    """The addresses of the hosts on which services with a database can run, by database.

    addresses: by host; a host may have another one in each.
    """
    known = {host: (hostvars[host].get("platform_swarm"), hostvars[host].get("swarm_labels", {})) for host in hosts}
    found: dict[str, set[str]] = {}
    for stack in stacks.values():
        for service in stack["services"].values():
            if "database" in service:
                found.setdefault(service["database"], set()).update(
                    known_as[host]
                    for known_as in addresses
                    for host, (swarm, labels) in known.items()
                    if swarm == stack["swarm"] and _runs_on(service, labels)
                )
    return {database: sorted(clients) for database, clients in found.items()}


def declared_databases(databases: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    """The databases, as the role mariadb takes them."""
    return {name: {} for name in databases}


#: what an application does with its tables; it makes and changes none that last
_ROWS = "SELECT,INSERT,UPDATE,DELETE,EXECUTE,CREATE TEMPORARY TABLES"


def database_users(
    databases: Mapping[str, Entry], secrets: Mapping[str, str], clients: Mapping[str, Iterable[str]]
) -> dict[str, dict[str, Any]]:
    """Owner and application of every database, as the role mariadb takes them; none before a service uses it."""
    return {
        user: {
            "password": secrets[f"mariadb_{user}"],
            "hosts": list(clients[name]),
            "privileges": {f"{name}.*": privileges},
            **{key: value for key, value in entry.items() if key not in ("password", "app_password")},
        }
        for name, entry in databases.items()
        if clients.get(name)
        for user, privileges in ((name, "ALL"), (_application(name), _ROWS))
    }


def cache_users(users: Mapping[str, Entry], secrets: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Users of the cache, as the role valkey takes them."""
    return {
        name: {
            "password": secrets[f"valkey_{name}"],
            "keys": [f"{entry['prefix']}:*"],
            "channels": [f"{entry['prefix']}:*"],
        }
        for name, entry in users.items()
    }


def app_stacks(
    stacks: Mapping[str, Entry],
    databases: Mapping[str, Entry],
    server: Entry,
    secrets: Mapping[str, str],
    clusters: Mapping[str, Entry],
    swarm: str,
) -> dict[str, dict[str, Any]]:
    """The stacks of a Swarm, as the role app takes them.

    A service with a `database` is told where it is and gets its password.
    """
    for stack, entry in stacks.items():
        named = entry.get("swarm", "")
        if named not in clusters:
            what = f"`{named}` is not in platform_swarms" if named else "is missing"
            raise AnsibleFilterError(
                f"platform_stacks.{stack}.swarm: {what}; write the Swarm that it runs in: {', '.join(clusters)}"
            )
        if not clusters[named]["managers"]:
            raise AnsibleFilterError(
                f"platform_stacks.{stack}.swarm: no host is a manager of {named}; in aws_compute_instances, write "
                f"`swarm: {named}` and the function swarm_managers for one"
            )
    return {
        stack: {
            **entry,
            "services": {
                name: _with_database(f"platform_stacks.{stack}.services.{name}", service, databases, server, secrets)
                for name, service in entry["services"].items()
            },
        }
        for stack, entry in swarm_stacks(stacks, swarm).items()
    }


def _without_backup(mount: Entry) -> dict[str, Any]:
    return {key: value for key, value in mount.items() if key != "backup"}


def _with_database(
    where: str, service: Entry, databases: Mapping[str, Entry], server: Entry, secrets: Mapping[str, str]
) -> dict[str, Any]:
    plain = {key: value for key, value in service.items() if key not in ("database", "migrates", "uses")}
    if "mounts" in service:
        plain["mounts"] = {path: _without_backup(mount) for path, mount in service["mounts"].items()}
    if "database" not in service:
        if service.get("migrates"):
            raise AnsibleFilterError(f"{where}.migrates: it has no database; add `database`, or remove `migrates`")
        return plain
    database = service["database"]
    if database not in databases:
        fix = f"declare it in platform_databases, or write one of {', '.join(databases)}"
        raise AnsibleFilterError(f"{where}.database: `{database}` is not declared; {fix}")
    connection = {
        "DATABASE_HOST": server["name"],
        "DATABASE_PORT": server["port"],
        "DATABASE_NAME": database,
        "DATABASE_USER": _application(database),
        "DATABASE_PASSWORD_FILE": "/run/secrets/database",
    }
    passwords = {"database": secrets[f"mariadb_{_application(database)}"]}
    if service.get("migrates"):
        connection |= {"DATABASE_OWNER": database, "DATABASE_OWNER_PASSWORD_FILE": "/run/secrets/database-owner"}
        passwords["database-owner"] = secrets[f"mariadb_{database}"]
    return plain | {
        "environment": connection | dict(service.get("environment", {})),
        "extra_hosts": {server["name"]: server["address"]} | dict(service.get("extra_hosts", {})),
        "secrets": passwords | dict(service.get("secrets", {})),
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        known: tuple[Callable[..., Any], ...] = (
            app_stacks,
            backed_up_volumes,
            cache_users,
            checked_inventory,
            containers_ask_metadata,
            containers_reach,
            data_backups,
            database_clients,
            database_parameters,
            database_users,
            declared_databases,
            edge_sites,
            former_hosts,
            host_labels,
            host_repository,
            listening,
            listening_sometimes,
            login_parameters,
            missing_hosts,
            monitoring_jobs,
            names_elsewhere,
            names_with_login,
            offer_probes,
            offered_rules,
            password_parameters,
            people,
            published_ports,
            repository_parameters,
            rotatable_secrets,
            serving_addresses,
            site_names,
            site_origins,
            site_probes,
            site_records,
            sites_with_page,
            stacks_elsewhere,
            swarm_clusters,
            swarm_stacks,
        )
        return {function.__name__: function for function in known}
