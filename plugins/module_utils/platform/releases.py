"""What of a service ran when, and what follows from it: what runs next, what a rollback goes back to. Pure.

A release is what a service was: its image, its settings, the versions of its secrets. The declaration says what it is
to be; a deployed image stays until the declaration names another one, see ``chosen``.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from .engine.errors import PlatformError

#: healthy releases that can be gone back to, the running one included
KEPT = 5
#: what of a release counts, whatever the declaration says: nothing, its image, or all of it
NOTHING, IMAGE, ALL = "", "image", "all"
#: how far a release is
BEGUN, HEALTHY, FAILED = "begun", "healthy", "failed"
#: parts of a service that are not settings: the image, and values that must not be written down
_APART = ("image", "build", "secrets")


@dataclass(frozen=True)
class Content:
    """What a service is.

    image: with its digest, where that is known. settings: its entry without image and secrets. secrets: the full names
    of their versions.
    """

    image: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]

    @classmethod
    def of(cls, service: Mapping[str, Any], image: str, secrets: Mapping[str, str]) -> Self:
        """Of a declared service. secrets: full names."""
        settings = {key: value for key, value in service.items() if key not in _APART}
        # As it is when it has been written down and read again, keys included.
        return cls(image, json.loads(json.dumps(settings, default=str)), dict(secrets))

    @property
    def digest(self) -> str:
        """Of everything but the image."""
        text = json.dumps([self.settings, self.secrets], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def same(self, other: Content) -> bool:
        """Whether both are the same; an image whose digest is not known is compared by its name."""
        digests = {image.partition("@")[2] for image in (self.image, other.image)} - {""}
        images = {image.partition("@")[0] for image in (self.image, other.image)}
        return len(digests) < 2 and len(images) == 1 and self.digest == other.digest


@dataclass(frozen=True)
class Release:
    """A release of a service.

    of: the number of the release whose content it has; that of another one after a rollback. holds: what of it counts
    although the declaration says otherwise, as long as that is still declared_image and declared_digest. by: the verb.
    who, when: in text. why: what went wrong.
    """

    number: int
    content: Content
    declared_image: str
    declared_digest: str
    who: str
    when: str
    by: str
    holds: str = NOTHING
    of: int = 0
    result: str = BEGUN
    why: str = ""

    def ended(self, why: str = "", image: str = "") -> Self:
        """As healthy, or as failed for a reason. image: with its digest, as the engine has found it.

        What the service wrote is told by the run, and not kept.
        """
        why = why.partition(". Its last lines")[0]
        content = replace(self.content, image=(not why and image) or self.content.image)
        return replace(self, content=content, result=FAILED if why else HEALTHY, why=why)


History = Sequence[Release]
Histories = Mapping[str, Mapping[str, History]]


@dataclass(frozen=True)
class Chosen:
    """What a service is to be. holds: what of that the declaration does not say.

    frozen: the run is about another service, so what the declaration says of this one has not been looked at.
    """

    content: Content
    holds: str = NOTHING
    of: int = 0
    frozen: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Asked:
    """What a verb wants of a service. image: to deploy; `declared` for that of the declaration. release: to go back to.

    freeze: leave the service as it is.
    """

    image: str = ""
    release: Release | None = None
    freeze: bool = False


def parsed(text: str) -> dict[str, list[Release]]:
    """Histories by service, oldest release first. Raises ValueError when it is no document of ours."""
    try:
        content: Mapping[str, list[Mapping[str, Any]]] = json.loads(text)
        return {
            service: [Release(**{**release, "content": Content(**release["content"])}) for release in releases]
            for service, releases in content.items()
        }
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no document of releases: {error}") from error


def text_of(histories: Mapping[str, History]) -> str:
    """The document."""
    content = {service: [asdict(release) for release in releases] for service, releases in histories.items()}
    return json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"


def as_data(histories: Histories) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """As plain data, for variables; ``from_data`` reads it."""
    return {
        stack: {name: [asdict(release) for release in history] for name, history in services.items()}
        for stack, services in histories.items()
    }


def from_data(data: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, list[Release]]]:
    """Histories that ``as_data`` has made."""
    return {stack: parsed(json.dumps(services)) for stack, services in data.items()}


def latest(history: History) -> Release | None:
    """What runs, as far as releases tell: the newest one that has not failed."""
    return next((release for release in reversed(history) if release.result != FAILED), None)


def chosen(declared: Content, declared_image: str, history: History, asked: Asked | None = None) -> Chosen:
    """What a service is to be.

    The newest of these counts: an image that was deployed, and a release that was gone back to, until the declaration
    says something else than it did then; what the declaration says now.

    declared_image: as it is declared; that of a build, before it was rebuilt.
    """
    last, asked = latest(history), asked or Asked()
    if asked.release is not None:
        return Chosen(asked.release.content, ALL, asked.release.of)
    if asked.freeze and last is not None:
        # Written like the declaration, if it is that: both runs leave the same file.
        named = last.content.image.partition("@")[0] == declared.image and not last.holds
        content = replace(last.content, image=declared.image) if named else last.content
        return Chosen(content, last.holds, last.of, frozen=True)
    if asked.image == "declared":
        return Chosen(declared)
    if asked.image:
        return Chosen(replace(declared, image=asked.image), IMAGE)
    if last is None or not last.holds or last.declared_image != declared_image:
        return Chosen(declared)
    if last.holds == ALL and last.declared_digest == declared.digest:
        return Chosen(last.content, ALL, last.of)
    return Chosen(replace(declared, image=last.content.image), IMAGE)


@dataclass(frozen=True)
class Run:
    """Who does what: for the releases that it adds."""

    who: str
    when: str
    by: str


def begun(history: History, what: Chosen, declared: Content, declared_image: str, run: Run) -> list[Release]:
    """With a release that begins; as it is when that would be what runs already."""
    last = latest(history)
    image, digest = declared_image, declared.digest
    if last and what.frozen:
        # Otherwise a declaration that has changed since would count as carried out.
        image, digest = last.declared_image, last.declared_digest
    if last and last.result == HEALTHY and last.holds == what.holds and last.content.same(what.content):
        at_once = replace(last, declared_image=image, declared_digest=digest)
        return [at_once if release is last else release for release in history]
    number = max((release.number for release in history), default=0) + 1
    by = {"who": run.who, "when": run.when, "by": run.by}
    declared_then = {"declared_image": image, "declared_digest": digest}
    made = Release(number, what.content, **declared_then, **by, holds=what.holds, of=what.of or number)
    # What a run that was killed has begun and another one goes on with is one release.
    kept = [release for release in history if release.result != BEGUN]
    return [*kept, made]


def ended(history: History, why: str, image: str = "") -> list[Release]:
    """With the end of what has begun; less what nobody can go back to any more. why: empty when it is healthy."""
    done = [release.ended(why, image) if release.result == BEGUN else release for release in history]
    oldest = min((release.number for release in kept(done)), default=0)
    return [release for release in done if release.number >= oldest or release.of >= oldest]


def kept(history: History) -> list[Release]:
    """The releases that can be gone back to, newest first: each content once, under its own number."""
    found: dict[int, Release] = {}
    for release in sorted(history, key=lambda release: -release.number):
        if release.result == HEALTHY and len(found) < KEPT:
            own = next((other for other in history if other.number == release.of), release)
            found.setdefault(release.of, own)
    return list(found.values())


def secrets_of(histories: Mapping[str, History]) -> list[str]:
    """The versions of secrets that the releases need, those of a stack's services."""
    needed = [release for history in histories.values() for release in kept(history)]
    return sorted({full for release in needed for full in release.content.secrets.values()})


def target(service: str, history: History, to: str = "") -> Release:
    """The release to go back to: the last healthy one before what runs, or the one with that number."""
    good, last = kept(history), latest(history)
    known = ", ".join(str(release.number) for release in sorted(good, key=lambda release: release.number)) or "none"
    if to:
        found = next((release for release in good if str(release.number) == str(to)), None)
        if found is None:
            raise PlatformError(
                f"{service} has no release {to} that was healthy and is kept. Name one of these with `-e to=`: "
                f"{known}. `make releases` lists them."
            )
        return found
    running = last.of if last else 0
    older = [release for release in good if release.number < running]
    if not older:
        raise PlatformError(
            f"{service} has no healthy release before the one that runs (kept: {known}), so there is nothing to go "
            "back to. Name one with `-e to=`, or deploy an image: `make deploy SERVICE=… IMAGE=…`."
        )
    return max(older, key=lambda release: release.number)


def listed(service: str, history: History) -> list[str]:
    """What ran when, newest first, as lines of 80 columns."""
    lines, last, good = [service], latest(history), {release.number for release in kept(history)}
    for release in sorted(history, key=lambda release: -release.number):
        mark = "*" if release is last else " "
        what = f"{release.by}" + (f" of {release.of}" if release.of != release.number else "")
        state = {HEALTHY: "healthy", FAILED: "failed", BEGUN: "not finished"}[release.result]
        gone = "" if release.number in good or release.result != HEALTHY or release.of != release.number else ", old"
        lines.append(f"{mark} {release.number:>3}  {release.when}  {state}{gone}  {what} by {release.who}")
        lines.append(f"       {release.content.image}")
        lines += textwrap.wrap(release.why, 80, initial_indent=" " * 7, subsequent_indent=" " * 7)
    return lines if len(lines) > 1 else [service, "  no release is recorded yet"]


# --- All services of some stacks -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """What a service is to be, and what the declaration says."""

    chosen: Chosen
    declared: Content
    declared_image: str


def choices(
    stacks: Mapping[str, Mapping[str, Any]],
    images: Mapping[str, str],
    declared_images: Mapping[str, str],
    histories: Histories,
    asked: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Choice]]:
    """What each service is to be. Raises PlatformError when there is no release to go back to.

    stacks: as declared, with the full names of secrets for their values. images, declared_images: of builds, the newest
    and those that they are rebuilt from. asked: `stack`, `service`, and `image` or `to`; the other services stay.
    """
    found: dict[str, dict[str, Choice]] = {}
    for stack, entry in stacks.items():
        for name, service in entry["services"].items():
            build, history = service.get("build", ""), histories.get(stack, {}).get(name, [])
            image, base = (images[build], declared_images[build]) if build else (service["image"], service["image"])
            declared = Content.of(service, image, service.get("secrets", {}))
            what = _asked(stack, name, history, asked or {})
            found.setdefault(stack, {})[name] = Choice(chosen(declared, base, history, what), declared, base)
    return found


def _asked(stack: str, name: str, history: History, asked: Mapping[str, Any]) -> Asked:
    if not asked:
        return Asked()
    if (stack, name) != (asked["stack"], asked["service"]):
        return Asked(freeze=True)
    if "to" in asked:
        return Asked(release=target(f"{stack}/{name}", history, str(asked["to"])))
    # To restart it, say, is to leave it as it is.
    return Asked(image=str(asked["image"])) if asked.get("image") else Asked(freeze=True)
