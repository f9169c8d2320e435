"""What is known of images that run: how old they are, what they consist of, and what would be better."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from tests.support.files import load_file

METRICS = load_file("roles/node_exporter/files/node_metrics.py")
SBOM = load_file("roles/app/files/app_sbom.py")
REBUILD = load_file("roles/app/files/app_rebuild.py")

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.41-12)
Version: 2.41-12+b1
Conffiles:
 /etc/x 0123

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libstdc++6
Status: install ok installed
Architecture: arm64
Version: 1:14.2~x
"""


class Engine:
    """An engine with two tasks of one service, and one of another whose image it has lost."""

    def ask(self, path: str) -> Any:
        """As the engine answers."""
        label = "com.docker.swarm.service.name"
        if path.startswith("/containers/json?filters="):
            assert json.loads(unquote(path.partition("=")[2])) == {"label": [label]}
            return [
                {"Labels": {label: "koin_api"}, "Image": "r:5000/api:1@sha256:ab", "ImageID": "sha256:1"},
                {"Labels": {label: "koin_api"}, "Image": "r:5000/api:1@sha256:ab", "ImageID": "sha256:1"},
                {"Labels": {label: "web"}, "Image": "nginx:1", "ImageID": "sha256:2"},
            ]
        return {"Created": "1970-01-02T00:00:00.123456789Z"} if path == "/images/sha256:1/json" else None


def test_the_age_of_an_image_is_told_once_for_each_service() -> None:
    labels = {"service": "koin_api", "image": "r:5000/api:1"}
    assert list(METRICS.images(Engine())) == [("koin_image_created_timestamp_seconds", labels, 86400.123456)]


def test_packages_of_an_image() -> None:
    assert dict(REBUILD.packages(STATUS)) == {"libc6": "2.41-12+b1", "libstdc++6": "1:14.2~x"}


def test_a_bill_of_materials_names_every_installed_package_and_its_source() -> None:
    content = SBOM.sbom(STATUS, "r:5000/api:t-1", "trixie", 0)
    top, first, second = content["packages"]
    assert (top["name"], top["versionInfo"]) == ("r:5000/api", "t-1")
    assert (first["name"], first["versionInfo"]) == ("libc6", "2.41-12+b1")
    assert first["sourceInfo"] == "built from glibc 2.41-12"
    assert second["sourceInfo"] == "built from libstdc++6 1:14.2~x"
    assert second["externalRefs"][0]["referenceLocator"] == (
        "pkg:deb/debian/libstdc%2B%2B6@1%3A14.2~x?arch=arm64&distro=trixie"
    )
    assert second["SPDXID"] == "SPDXRef-libstdc-plus--plus-6-arm64"
    assert content["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
    # The same packages, the same document; others, another.
    assert SBOM.sbom(STATUS, "r:5000/api:t-1", "trixie", 9)["documentNamespace"] == content["documentNamespace"]
    other = SBOM.sbom(STATUS.replace("14.2", "14.3"), "r:5000/api:t-1", "trixie", 0)
    assert other["documentNamespace"] != content["documentNamespace"]
