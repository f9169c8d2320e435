"""What runs next, what a rollback goes back to, and what is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.releases import (
    ALL,
    BEGUN,
    FAILED,
    HEALTHY,
    IMAGE,
    KEPT,
    NOTHING,
    Asked,
    Chosen,
    Content,
    Release,
    Run,
    as_data,
    begun,
    choices,
    chosen,
    ended,
    from_data,
    kept,
    latest,
    listed,
    parsed,
    secrets_of,
    target,
    text_of,
)

KIM = Run("kim@laptop", "2026-11-28 12:00:00 KST", "deploy")
LEE = Run("lee@desk", "2026-11-28 13:00:00 KST", "configure")


def content(image: str = "r/api:1", word: str = "one", **settings: Any) -> Content:
    """A service with a secret."""
    return Content.of({"image": "ignored", "publish": {8080: 80}, **settings}, image, {"key": f"koin_key-{word}"})


def history(*steps: tuple[str, str, str]) -> list[Release]:
    """Releases of these images, holds and results, all while the declaration said r/api:1."""
    made: list[Release] = []
    for image, holds, result in steps:
        made = begun(made, Chosen(content(image), holds), content(), "r/api:1", KIM)
        if result != BEGUN:
            made = ended(made, "it crashed" if result == FAILED else "")
    return made


def images(releases: Sequence[Release]) -> list[str]:
    """Of each release."""
    return [release.content.image for release in releases]


# --- What runs next --------------------------------------------------------------------------------------------------


DEPLOYED = history(("r/api:1", NOTHING, HEALTHY), ("r/api:2", IMAGE, HEALTHY))
#: the settings of before, although the declaration says others
BACK = begun(
    history(("r/api:2", NOTHING, HEALTHY)), Chosen(content("r/api:1", old=True), ALL, 1), content(), "r/api:1", KIM
)


@pytest.mark.parametrize(
    ("past", "declared", "declared_image", "runs"),
    [
        # Nothing was deployed: the declaration.
        ([], content(), "r/api:1", content()),
        (history(("r/api:1", NOTHING, HEALTHY)), content("r/api:3"), "r/api:3", content("r/api:3")),
        # What was deployed stays, with the settings and secrets of the declaration.
        (DEPLOYED, content(), "r/api:1", content("r/api:2")),
        (DEPLOYED, content(word="two", limits=1), "r/api:1", content("r/api:2", word="two", limits=1)),
        # Another image in the declaration is newer.
        (DEPLOYED, content("r/api:3"), "r/api:3", content("r/api:3")),
        # So is a build from other sources, and not one that was only built again.
        (DEPLOYED, content("r/api:1-202611"), "r/api:1", content("r/api:2")),
        # What has failed does not count.
        ([*DEPLOYED, *history(("r/api:9", IMAGE, FAILED))], content(), "r/api:1", content("r/api:2")),
        # What a killed run has begun is gone on with.
        (history(("r/api:1", NOTHING, HEALTHY), ("r/api:2", IMAGE, BEGUN)), content(), "r/api:1", content("r/api:2")),
        # After a rollback, settings and secrets of then, until the declaration has others.
        (BACK, content(), "r/api:1", content("r/api:1", old=True)),
        (BACK, content(word="two"), "r/api:1", content("r/api:1", word="two")),
        (BACK, content("r/api:3"), "r/api:3", content("r/api:3")),
    ],
)
def test_what_a_run_of_configure_leaves(
    past: list[Release], declared: Content, declared_image: str, runs: Content
) -> None:
    assert chosen(declared, declared_image, past).content == runs


def test_a_verb_changes_what_it_is_about() -> None:
    assert chosen(content(), "r/api:1", DEPLOYED, Asked(image="r/api:5")) == Chosen(content("r/api:5"), IMAGE)
    assert chosen(content(), "r/api:1", DEPLOYED, Asked(image="declared")) == Chosen(content())
    assert chosen(content(word="two"), "r/api:1", DEPLOYED, Asked(freeze=True)).content == content("r/api:2")
    assert chosen(content(word="two"), "r/api:1", [], Asked(freeze=True)).content == content(word="two")
    # As a run of configure writes it.
    plain = ended(begun([], Chosen(content()), content(), "r/api:1", LEE), "", "r/api:1@sha256:aa")
    assert chosen(content(), "r/api:1", plain, Asked(freeze=True)).content == content()
    assert chosen(content("r/api:3"), "r/api:3", plain, Asked(freeze=True)).content == content("r/api:1@sha256:aa")
    first = DEPLOYED[0]
    assert chosen(content("r/api:3"), "r/api:3", DEPLOYED, Asked(release=first)) == Chosen(first.content, ALL, 1)


def test_services_beside_the_one_that_is_deployed_stay() -> None:
    stacks = {
        "koin": {
            "services": {
                "api": {"build": "sample", "secrets": {"key": "koin_key-two"}},
                "web": {"image": "r/web:2", "secrets": {}},
            }
        }
    }
    old = Content.of({}, "r/web:1", {})
    past = {"koin": {"web": ended(begun([], Chosen(old), old, "r/web:1", KIM), "")}}
    names = {"sample": "r/sample:a-2026"}, {"sample": "r/sample:a"}
    found = choices(stacks, *names, past, {"stack": "koin", "service": "api", "image": "r/sample:b"})["koin"]
    assert (found["api"].chosen.content.image, found["api"].declared_image) == ("r/sample:b", "r/sample:a")
    assert found["api"].chosen.content.secrets == {"key": "koin_key-two"}
    assert found["web"].chosen.content.image == "r/web:1"
    # Whoever configures gets what is declared.
    assert choices(stacks, *names, past)["koin"]["web"].chosen.content.image == "r/web:2"
    with pytest.raises(PlatformError, match="koin/web has no healthy release before the one that runs"):
        choices(stacks, *names, past, {"stack": "koin", "service": "web", "to": ""})


# --- What is recorded ------------------------------------------------------------------------------------------------


def test_a_release_is_recorded_when_something_is_another() -> None:
    past = ended(begun([], Chosen(content()), content(), "r/api:1", KIM), "", "r/api:1@sha256:aa")
    assert images(past) == ["r/api:1@sha256:aa"]
    assert (past[0].who, past[0].by, past[0].result) == ("kim@laptop", "deploy", HEALTHY)
    # The same, whose digest is not asked for.
    assert len(begun(past, Chosen(content()), content(), "r/api:1", LEE)) == 1
    assert len(begun(past, Chosen(content("r/api:1@sha256:aa")), content(), "r/api:1", LEE)) == 1
    for other in (content("r/api:1@sha256:bb"), content("r/api:2"), content(word="two"), content(limits=1)):
        assert [release.number for release in begun(past, Chosen(other), content(), "r/api:1", LEE)] == [1, 2]


def test_what_was_deployed_by_hand_counts_although_it_is_what_is_declared() -> None:
    past = history(("r/api:1", NOTHING, HEALTHY))
    assert begun(past, Chosen(content(), IMAGE), content(), "r/api:1", KIM)[-1].holds == IMAGE


def test_a_failure_keeps_its_image_and_says_why() -> None:
    past = ended(begun(DEPLOYED, Chosen(content("r/api:9"), IMAGE), content(), "r/api:1", LEE), "it crashed", "r/api:2")
    assert (past[-1].content.image, past[-1].result, past[-1].why) == ("r/api:9", FAILED, "it crashed")
    assert latest(past) == DEPLOYED[-1]


def test_what_a_service_wrote_is_not_kept() -> None:
    past = begun([], Chosen(content()), content(), "r/api:1", KIM)
    told = "koin_api was rolled back. Its tasks say: failed. Its last lines:\nkim@koreatech.ac.kr\n. More"
    assert ended(past, told)[-1].why == "koin_api was rolled back. Its tasks say: failed"


def test_two_runs_that_were_killed_leave_one_release() -> None:
    past = begun(DEPLOYED, Chosen(content("r/api:3"), IMAGE), content(), "r/api:1", KIM)
    past = begun(past, Chosen(content("r/api:4"), IMAGE), content(), "r/api:1", LEE)
    assert images(past) == ["r/api:1", "r/api:2", "r/api:4"]


def test_the_document_is_read_as_it_was_written() -> None:
    assert parsed(text_of({"api": BACK})) == {"api": BACK}
    assert from_data(as_data({"koin": {"api": BACK}})) == {"koin": {"api": BACK}}
    # Keys of JSON are text.
    assert parsed(text_of({"api": DEPLOYED}))["api"][0].content.same(content())
    for text in ("[]", "{", '{"api": [{"number": 1}]}', '{"api": 5}'):
        with pytest.raises(ValueError):
            parsed(text)


# --- Going back ------------------------------------------------------------------------------------------------------


def rolled(past: list[Release], to: str = "") -> list[Release]:
    """After a rollback that succeeds."""
    back = target("koin/api", past, to)
    return ended(begun(past, Chosen(back.content, ALL, back.of), content(), "r/api:1", KIM), "")


def test_each_rollback_goes_one_release_further_back() -> None:
    past = history(*((f"r/api:{number}", IMAGE, HEALTHY) for number in (1, 2, 3)), ("r/api:4", IMAGE, FAILED))
    once = rolled(past)
    assert (once[-1].content.image, once[-1].of) == ("r/api:2", 2)
    twice = rolled(once)
    assert twice[-1].content.image == "r/api:1"
    with pytest.raises(PlatformError, match=r"nothing to go back to.*(\n.*)*-e to="):
        rolled(twice)
    # And forward again, by number.
    assert rolled(twice, "3")[-1].content.image == "r/api:3"


def test_only_what_was_healthy_can_be_gone_back_to() -> None:
    past = history(("r/api:1", IMAGE, HEALTHY), ("r/api:2", IMAGE, FAILED), ("r/api:3", IMAGE, HEALTHY))
    assert target("koin/api", past).content.image == "r/api:1"
    with pytest.raises(PlatformError, match=r"no release 2 that was healthy .*: 1, 3\."):
        target("koin/api", past, "2")


def test_the_last_five_can_be_gone_back_to_with_their_secrets() -> None:
    past: list[Release] = []
    for number in range(1, 9):
        past = ended(begun(past, Chosen(content(f"r/api:{number}", str(number))), content(), "r/api:1", KIM), "")
    assert [release.number for release in kept(past)] == [8, 7, 6, 5, 4]
    assert len(past) == KEPT
    assert secrets_of({"api": past, "web": []}) == [f"koin_key-{number}" for number in range(4, 9)]
    # Rollbacks do not push out what they go back to.
    for _ in range(4):
        past = rolled(past)
    assert {release.number for release in kept(past)} == {8, 7, 6, 5, 4}
    assert target("koin/api", past, "8").content.image == "r/api:8"


# --- What is shown ---------------------------------------------------------------------------------------------------


def test_the_list_says_what_ran_when_and_who_deployed_it() -> None:
    past = rolled(history(("r/api:1", NOTHING, HEALTHY), ("r/api:2", IMAGE, HEALTHY), ("r/api:3", IMAGE, FAILED)))
    shown = listed("koin/api", past)
    assert shown == [
        "koin/api",
        "*   4  2026-11-28 12:00:00 KST  healthy  deploy of 1 by kim@laptop",
        "       r/api:1",
        "    3  2026-11-28 12:00:00 KST  failed  deploy by kim@laptop",
        "       r/api:3",
        "       it crashed",
        "    2  2026-11-28 12:00:00 KST  healthy  deploy by kim@laptop",
        "       r/api:2",
        "    1  2026-11-28 12:00:00 KST  healthy  deploy by kim@laptop",
        "       r/api:1",
    ]
    long = ended(begun(past, Chosen(content("r/api:9")), content(), "r/api:1", KIM), "it was rolled back " * 9)
    assert max(map(len, listed("koin/api", long))) <= 80
    assert listed("koin/api", []) == ["koin/api", "  no release is recorded yet"]


def test_a_run_about_another_service_does_not_carry_out_a_changed_declaration() -> None:
    """r/api:2 was deployed over r/api:1; then r/api:3 is declared, and another service of the stack is deployed."""
    before = history(("r/api:2", IMAGE, HEALTHY))
    declared = content("r/api:3")
    what = chosen(declared, "r/api:3", before, Asked(freeze=True))
    after = begun(before, what, declared, "r/api:3", KIM)
    assert what.content == content("r/api:2")
    # The next configure deploys what is declared.
    assert chosen(declared, "r/api:3", after) == Chosen(declared)


def test_a_changed_declaration_is_kept_in_mind_while_a_rollback_runs() -> None:
    before = history(("r/api:2", ALL, HEALTHY))
    declared = content(word="two")
    after = begun(before, chosen(declared, "r/api:1", before, Asked(freeze=True)), declared, "r/api:1", KIM)
    assert chosen(declared, "r/api:1", after).content == replace(declared, image="r/api:2")
