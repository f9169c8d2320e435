"""Makes a small image by hand, as an OCI layout with the tag `it`: layout.py FOLDER SEED ARCHITECTURE…"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import sys
import tarfile
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])


def blob(content: bytes, kind: str) -> dict[str, Any]:
    """Store it; its descriptor."""
    digest = hashlib.sha256(content).hexdigest()
    path = FOLDER / "blobs/sha256" / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}


def image(architecture: str) -> dict[str, Any]:
    """An image of one file."""
    content = random.Random(sys.argv[2] + architecture).randbytes(200_000)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    layer = blob(gzip.compress(archive.getvalue(), mtime=0), "layer.v1.tar+gzip")
    unpacked = f"sha256:{hashlib.sha256(archive.getvalue()).hexdigest()}"
    config = {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [unpacked]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [layer],
    }
    return blob(json.dumps(manifest).encode(), "manifest.v1+json") | {
        "platform": {"architecture": architecture, "os": "linux"}
    }


def index(manifests: list[dict[str, Any]]) -> bytes:
    """What holds several."""
    kind = "application/vnd.oci.image.index.v1+json"
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}).encode()


images = [image(architecture) for architecture in sys.argv[3:]]
top = images[0] if len(images) == 1 else blob(index(images), "index.v1+json")
(FOLDER / "index.json").write_bytes(index([top | {"annotations": {"org.opencontainers.image.ref.name": "it"}}]))
(FOLDER / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
