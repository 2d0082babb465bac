"""What a person may ask of a site through its ledger: the right that it takes, whether it takes two people, which role carries it out; and
the states of a request. `require_another` raises RightMissing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Self

from gateway.domain.people import Right
from gateway.errors import RightMissing


class Act(StrEnum):
    """What can be asked; `role` is the name of the role that carries it out (`stages.itinerary.Role`; or
    `console`, which does so when the second person agrees; or `retention`, the run of that name; or
    `machine`, a person there, by `gateway carry-out`), `right` is what whoever asks needs, and `people` is how many people it takes: of two, one proposes, and another
    one with the same right agrees.
    """

    _value_: str
    role: str
    right: Right
    people: int

    def __new__(cls, name: str, role: str, right: Right, people: int = 1) -> Self:
        act = str.__new__(cls, name)
        act._value_ = name
        act.role = role
        act.right = right
        act.people = people
        return act

    HOLD = "hold", "inspect", Right.HOLD
    RELEASE = "release", "inspect", Right.RELEASE, 2
    RETRY = "retry", "inspect", Right.HOLD
    RETURN = "return", "inspect", Right.HOLD
    ACCEPT = "accept", "inspect", Right.ANSWER
    """The back office has taken a delivered file over."""
    REJECT = "reject", "inspect", Right.ANSWER
    """The back office cannot take a delivered file; the reason goes to its sender."""
    DISCARD = "discard", "vault", Right.DISCARD, 2
    """Removes bytes from the quarantine, where *inspect* may not write."""
    EXAMINE_SEALED = "examine-sealed", "vault", Right.EXAMINE
    """Says in words what a sealed file in quarantine begins as: *vault* alone may read it, and decrypts nothing for it."""
    EXAMINE_FILE = "examine-file", "inspect", Right.EXAMINE
    """Renders a file that is locked away for its content, for one person to look at."""
    REDIRECT = "redirect", "inspect", Right.ANSWER
    """Passes a delivered file on to the authority that it belongs to: the argument is a `domain.redirect.Wish`."""
    CHECK = "check", "inspect", Right.SEND
    """Reads an upload of the console as `gateway validate` would."""
    SEND = "send", "inspect", Right.SEND
    """Takes an upload in, as a dropped file is."""
    FETCH = "fetch", "inspect", Right.OPEN
    """Copies a delivered payload, for a program of the back office to take."""
    OPEN = "open", "inspect", Right.OPEN
    """Renders a payload, for one person to look at."""

    VERIFY = "verify", "vault", Right.AUDIT
    """Verifies the chain, the rows, the heads and the files that the vault sees, as `gateway audit verify` does."""
    MAKE_STATEMENT = "make-statement", "vault", Right.AUDIT
    """Signs yesterday's statement, where there is none yet."""
    EVIDENCE = "evidence", "vault", Right.EVIDENCE
    """Makes the file of evidence of one transfer, for one person to take."""

    CHANGE_ROLES = "change-roles", "console", Right.PEOPLE, 2
    """Of somebody: the roles are the request's argument, by `domain.people.roles_text`."""
    RESUME = "resume", "console", Right.PEOPLE, 2
    """Somebody who is suspended."""
    ISSUE_LINK = "issue-link", "console", Right.PEOPLE, 2
    """A one-time link for somebody who has a role: whoever has it becomes that person."""

    INVOKE_CONTINUITY = "invoke-continuity", "inspect", Right.CONTINUITY, 2
    UPDATE_CONTINUITY = "update-continuity", "inspect", Right.CONTINUITY
    """The reason says how it stands."""
    NOTE_TOLD = "note-told", "inspect", Right.CONTINUITY
    """That somebody on the list was told: the argument is the place in it, from 1."""
    END_CONTINUITY = "end-continuity", "inspect", Right.CONTINUITY, 2

    HOLD_RETENTION = "hold-retention", "inspect", Right.RETENTION
    """A legal hold on what has that id, or on all of a partner."""
    RELEASE_RETENTION = "release-retention", "inspect", Right.RETENTION, 2
    """Whatever it kept is disposed of when its time is over, which may be at once."""
    DISPOSE = "dispose", "retention", Right.RETENTION, 2

    TEST_LINK = "test-link", "link", Right.PARTNERS
    """The link to a partner's server, as `gateway partner test` does; *link* has the key."""
    SUSPEND_PARTNER = "suspend-partner", "inspect", Right.PARTNERS
    """At once, by one person: misuse may be suspected. All roles take it over."""
    RESUME_PARTNER = "resume-partner", "inspect", Right.PARTNERS, 2
    """A partner that was suspended so; one that its file suspends is resumed at the machine."""
    TAKE_CARD = "take-card", "machine", Right.PARTNERS, 2
    """A partner's card, which introduces it, or changes its keys: the argument is the card's text."""

    @property
    def by_stage(self) -> bool:
        """Whether a stage carries it out; a stage also ends proposals that nobody decided."""
        return self.role not in ("console", "retention", "machine")

    @property
    def about_people(self) -> bool:
        """Whether it is about somebody who uses the console: neither who asks nor who agrees is that person."""
        return self.right is Right.PEOPLE


class RequestState(StrEnum):
    """A request is asked, and then has one answer: done or refused. One that takes two people is proposed first, and asked only once a
    second person agrees.
    """

    PROPOSED = "proposed"
    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


READING: Final = (Act.CHECK, Act.SEND, Act.FETCH, Act.OPEN, Act.EXAMINE_FILE, Act.EXAMINE_SEALED)
"""Of bytes that one person wants to see or send: such a request is for that person and for auditors."""

BESIDE: Final = (Act.CHECK, Act.FETCH, Act.OPEN, Act.EXAMINE_FILE, Act.REDIRECT)
"""What takes long, and so is prepared beside the role's other work: files are read for it, before the transaction that answers."""

PROVING: Final = (Act.VERIFY, Act.MAKE_STATEMENT, Act.EVIDENCE)
"""What a stage of the vault's own carries out: it may take minutes."""

AT_NODE: Final = (*BESIDE, Act.SEND, *PROVING)
"""What the node that was asked answers, where the site has several: it is about a file of that node's directories, or the answer is one."""

LOOKING: Final = (Act.OPEN, Act.EVIDENCE)
"""Who looked at a file, or took evidence of it, is no part of what became of it: evidence leaves these out."""

ALONE: Final = (Act.VERIFY, Act.MAKE_STATEMENT)
"""Of these no second one is asked while one waits."""

OPEN: Final = (RequestState.PROPOSED, RequestState.ASKED)
"""The states of a request that something still becomes of."""


BY_STAGE: Final = tuple(act for act in Act if act.by_stage)
"""The acts that wait for a stage once they are asked."""


def require_another(act: Act, subject: str, people: Iterable[str]) -> None:
    """RightMissing where one of the people decides about themselves."""
    if act.about_people and subject in people:
        raise RightMissing(f"nobody decides about themselves: {subject} is the one whom it is about")
