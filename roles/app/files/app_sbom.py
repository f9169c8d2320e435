#!/usr/bin/python3
"""Writes what an image consists of into it, as SPDX 2.3: the Debian packages with their versions.

Usage: app-sbom ROOT IMAGE RELEASE      writes ROOT/usr/share/koin/sbom.spdx.json
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

PLACE = "usr/share/koin/sbom.spdx.json"


def stanzas(text: str) -> list[dict[str, str]]:
    """The installed packages of dpkg's status file."""
    found = []
    for part in text.strip().split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", part, re.MULTILINE))
        if fields.get("Status", "").split()[-1:] == ["installed"]:
            found.append(fields)
    return found


def package(fields: dict[str, str], release: str) -> dict[str, Any]:
    """One package, as SPDX has it."""
    name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
    # "source" or "source (version)", when they are not those of the package.
    source, _, other = fields.get("Source", name).partition(" ")
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?arch={architecture}&distro={release}"
    return {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-plus-", f"{name}-{architecture}"),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "sourceInfo": f"built from {source} {other.strip('()') or version}",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }


def sbom(status: str, image: str, release: str, created: float) -> dict[str, Any]:
    """The document."""
    packages = sorted((package(fields, release) for fields in stanzas(status)), key=lambda item: str(item["SPDXID"]))
    listed = "".join(f"{item['SPDXID']} {item['versionInfo']}\n" for item in packages)
    repository, _, tag = image.rpartition(":")
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": image,
        "documentNamespace": f"https://spdx.org/spdxdocs/{quote(image)}-{hashlib.sha256(listed.encode()).hexdigest()}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created)),
            "creators": ["Tool: app-sbom"],
        },
        "packages": [
            {
                "SPDXID": "SPDXRef-image",
                "name": repository,
                "versionInfo": tag,
                "downloadLocation": "NOASSERTION",
                "filesAnalyzed": False,
                "primaryPackagePurpose": "CONTAINER",
            },
            *packages,
        ],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-image",
            },
            *(
                {
                    "spdxElementId": "SPDXRef-image",
                    "relationshipType": "CONTAINS",
                    "relatedSpdxElement": item["SPDXID"],
                }
                for item in packages
            ),
        ],
    }


def main() -> int:
    """Read and write."""
    root, image, release = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    content = sbom((root / "var/lib/dpkg/status").read_text(), image, release, time.time())
    (root / PLACE).parent.mkdir(parents=True, exist_ok=True)
    (root / PLACE).write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
