"""Services by name, the hosts of a verb, and images that nodes can run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.images import architectures, eligible, refusal, unfit
from ansible.module_utils.platform.services import edges, groups, hosts, image_of, named

STACKS: dict[str, dict[str, Any]] = {
    "koin-stage": {"swarm": "stage", "services": {"api": {"placement": {"env": "stage"}}, "batch": {}}},
    "koin-prod": {"swarm": "production", "services": {"api": {"placement": {"env": "prod"}}}},
}
SITES = {"KOIN_PROD": {"koin-api": {"service": "koin-prod/api"}, "koin": {"upstreams": ["127.0.0.1:1"]}}}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("koin-prod/api", ("koin-prod", "api")),
        ("koin-stage_api", ("koin-stage", "api")),
        ("batch", ("koin-stage", "batch")),
        # Its only service.
        ("koin-prod", ("koin-prod", "api")),
        # A site.
        ("koin-api", ("koin-prod", "api")),
    ],
)
def test_a_service_is_found_by_any_name_that_only_one_has(name: str, found: tuple[str, str]) -> None:
    assert named(STACKS, name, SITES) == found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("api", "`api` may be koin-stage/api or koin-prod/api: say which"),
        ("koin-stage", "`koin-stage` may be koin-stage/api or koin-stage/batch"),
        ("koin-prd/api", "Do you mean koin-prod/api? There are: koin-stage/api, koin-stage/batch, koin-prod/api."),
        ("", "Say which service: -e service=STACK/SERVICE. There are: koin-stage/api"),
        ("koin", "There is no service `koin`"),
    ],
)
def test_other_names_are_refused_with_what_to_write(name: str, said: str) -> None:
    with pytest.raises(PlatformError) as refused:
        named(STACKS, name, SITES)
    assert said in str(refused.value)


def test_a_verb_touches_the_managers_of_its_swarm_and_its_nodes() -> None:
    clusters = {
        "stage": {"managers": ["koin-stage"], "workers": ["bcsdlab-internal"]},
        "production": {"managers": ["koin-prod"], "workers": []},
    }
    labels = {"koin-stage": {"env": "stage"}, "bcsdlab-internal": {"env": "shared"}, "koin-prod": {"env": "prod"}}
    both = ["service_managers", "service_nodes"]
    assert groups(hosts(STACKS, "koin-stage", "api", clusters, labels)) == [{"host": "koin-stage", "groups": both}]
    assert groups(hosts(STACKS, "koin-stage", "batch", clusters, labels)) == [
        {"host": "koin-stage", "groups": both},
        {"host": "bcsdlab-internal", "groups": ["service_nodes"]},
    ]
    # A member without labels runs nothing that is placed.
    assert hosts(STACKS, "koin-prod", "api", clusters, {}) == {"managers": ["koin-prod"], "nodes": []}


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("r:5000/koin/api:2", "r:5000/koin/api:2"),
        ("r:5000/other@sha256:ab", "r:5000/other@sha256:ab"),
        (":2", "r:5000/koin/api:2"),
        ("@sha256:ab", "r:5000/koin/api@sha256:ab"),
        ("declared", "declared"),
    ],
)
def test_an_image_may_be_named_for_short(image: str, full: str) -> None:
    for declared in ("r:5000/koin/api:1", "r:5000/koin/api", "r:5000/koin/api:1@sha256:cd"):
        assert image_of(image, declared) == full


@pytest.mark.parametrize("image", ["", "r:5000/koin/api", "api", "r/koin api:2", "?"])
def test_an_image_without_a_version_is_refused(image: str) -> None:
    with pytest.raises(PlatformError, match=r"names no version of an image.*-e image=r:5000/koin/api:1\.2\.3"):
        image_of(image, "r:5000/koin/api:1")


# --- Edges -----------------------------------------------------------------------------------------------------------


PAGES = {
    "KOIN_PROD": {"koin": {"names": ["koreatech.in"]}, "koin-api": {"names": ["api.koreatech.in"]}},
    "KOIN_STAGE": {"koin": {"names": ["stage.koreatech.in"]}},
}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", [{"host": "a", "sites": ["all"]}, {"host": "b", "sites": ["all"]}]),
        ("api.koreatech.in", [{"host": "koin-prod", "sites": ["koin-api"]}]),
        ("koin-api", [{"host": "koin-prod", "sites": ["koin-api"]}]),
        ("KOIN_STAGE/koin", [{"host": "koin-stage", "sites": ["koin"]}]),
    ],
)
def test_maintenance_is_of_every_edge_or_of_one_site(name: str, found: list[dict[str, Any]]) -> None:
    assert edges(PAGES, name, ["a", "b"]) == found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("koin", "Several instances have a site `koin`: say which, KOIN_PROD/koin or KOIN_STAGE/koin"),
        ("koreatech", "There is no site `koreatech` .* Public names are: koreatech.in, api"),
    ],
)
def test_another_site_is_refused(name: str, said: str) -> None:
    with pytest.raises(PlatformError, match=said):
        edges(PAGES, name, [])


# --- Architectures ---------------------------------------------------------------------------------------------------


def entry(architecture: str, digest: str, system: str = "linux") -> dict[str, Any]:
    """An image as the client describes it."""
    return {"Descriptor": {"digest": digest, "platform": {"architecture": architecture, "os": system}}}


def node(name: str, machine: str, **labels: str) -> dict[str, Any]:
    """A node as the engine describes it."""
    return {"Description": {"Hostname": name, "Platform": {"Architecture": machine}}, "Spec": {"Labels": labels}}


def test_an_image_is_for_one_architecture_or_for_several() -> None:
    assert architectures(json.dumps(entry("amd64", "sha256:a"))) == {"amd64": "sha256:a"}
    several = [entry("amd64", "sha256:a"), entry("arm64", "sha256:b"), entry("unknown", "sha256:c", "unknown")]
    assert architectures(json.dumps(several)) == {"amd64": "sha256:a", "arm64": "sha256:b"}


@pytest.mark.parametrize("text", ["", "{}", "5", "[]", '{"Descriptor": 1}', json.dumps(entry("amd64", "a", "windows"))])
def test_what_describes_no_image_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        architectures(text)


def test_a_node_with_the_labels_must_have_the_architecture() -> None:
    nodes = [
        node("koin-stage", "x86_64", env="stage", arch="x86_64"),
        node("bcsdlab-internal", "aarch64", env="stage"),
        node("bare", "x86_64"),
    ]
    stage = eligible(nodes, {"env": "stage"})
    assert stage == {"koin-stage": "amd64", "bcsdlab-internal": "arm64"}
    assert unfit("r/api:2", "koin/api", {"arm64": "d"}, stage) == ""
    assert unfit("r/api:2", "koin/api", {"arm64": "d"}, eligible(nodes, {"arch": "x86_64"})) == (
        "r/api:2 is for arm64, and koin/api may run on koin-stage (amd64) only. Build it for amd64 "
        "(`docker build --platform linux/amd64`)."
    )
    assert "No node of the Swarm has the labels" in unfit("r/api:2", "koin/api", {"arm64": "d"}, {})


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("no such manifest: r:5000/api:9", "The registry has no image r:5000/api:9"),
        ("manifest unknown", "The registry has no image r:5000/api:9"),
        ("unauthorized: authentication required", "The registry refuses r:5000/api:9"),
        ("dial tcp 127.0.0.1:5000: connect:\n refused", "does not answer for r:5000/api:9: dial tcp"),
    ],
)
def test_a_refusal_is_told_in_an_operator_s_terms(said: str, why: str) -> None:
    assert why in refusal("r:5000/api:9", said)
