"""What the ledger's rows are: typed units of work, and what each of their columns means.

A unit has one field for each column of its table, in the table's order, so that a row becomes a unit by `_make`. Times are
seconds since 1970 (UTC), sizes are bytes, digests are SHA-256 in hexadecimal. What every unit has:

- `key`: the row's number here. Units of one table came in the order of their keys.
- `direction`, `partner`: from or to whom.
- `state`: where it is on its itinerary; `resume` the state that a held one goes on in.
- `code`, `reason`: the error that stopped or deferred it last, None for none.
- `claims`: attempts that have begun and not ended. `attempts`: those that ended in a deferral.
- `due`: when the next attempt may begin.
- `event`: the number of the chain's last event that changed the row; of a chain whose tail was cut, it lies behind the end.
- `created`, `updated`: when the row was made, and when it was moved last.
- `salt`: what keeps the digest of its personal columns from being guessed (`ledger.commitment`).
- `kind`: what the chain calls such a unit.

Long because each column says what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from sqlalchemy import Table

from gateway.domain.requests import Act, RequestState
from gateway.domain.states import Direction, State
from gateway.errors import ImpossibleMove
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS, TRANSFERS


class Transfer(NamedTuple):
    """One file on its way to or from a partner."""

    key: int
    id: str
    """UUID of the transfer: the sender gave it."""
    direction: Direction
    flow: str
    partner: str
    name: str
    """The file's name, as the sender's operator gave it."""
    size: int
    sha256: str
    schema: str | None
    """The schema that the file was valid against."""
    reference: str | None
    """The sender's own reference."""
    redirected_from: str | None
    """The authority that had received the file before the sender, where it was redirected."""
    message_id: str | None
    """The content's own, where its flow has one."""
    facts: str | None
    """JSON: what the validator told besides; no personal data."""
    consignment: str | None
    """The consignment that carries it, None before it is packed."""
    position: int | None
    """Its place in the consignment's manifest, from 1."""
    expires: float | None
    """When it is given up; None where nothing more is waited for (`is_unconfirmed`)."""
    custody: bool
    """Outbound: whether its bytes lie in the vault. Inbound: False."""
    spool_file: str | None
    """Outbound: fingerprint of the dropped file in spool/outbound that has still to be set aside."""
    node: str | None
    """Where the site has nodes. Outbound: whose spool/outbound `spool_file` is of. Inbound: who put the copy that is delivered beside its
    target (`spool.publication.hidden`).
    """
    purge_name: str | None
    """Inbound: name of the delivered file in spool/inbound that has still to be removed, since it was redirected."""
    delivered_name: str | None
    """The name that it was, or is about to be, delivered under: in spool/inbound, or outbound at a partner without a gateway."""
    answer_file: str | None
    """Inbound: fingerprint of the file in spool/outcomes that the back office answered it with."""
    redirected_to: str | None
    """Inbound: the transfer that passed it on to another authority, which answers it."""
    notify_pending: bool
    """Outbound: an answer came after the bytes left custody, and its operator has not been told."""
    state: State
    resume: State | None
    code: str | None
    reason: str | None
    claims: int
    attempts: int
    due: float
    event: int
    created: float
    updated: float
    salt: str

    @property
    def kind(self) -> str:
        return "transfer"

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it has ended at `sent`: the partner has no gateway, and nobody confirms that it arrived."""
        return self.state == State.SENT and self.expires is None

    @property
    def is_answered(self) -> bool:
        """Whether the back office, or a redirect in its place, has answered an inbound transfer."""
        return self.answer_file is not None or self.redirected_to is not None


class Consignment(NamedTuple):
    """One sealed message to or from a partner, and the transfers that it carries."""

    key: int
    id: str
    direction: Direction
    partner: str
    sequence: int | None
    """Its number in the sender's row of consignments to the recipient. Inbound, None before it is opened; outbound, None of a
    message without a manifest (`is_plain`).
    """
    flow: str | None
    """Outbound: the flow of its most urgent file. It decides what it travels with and when, and its turn."""
    items: int
    """How many transfers the manifest names."""
    bytes: int
    """Their sizes together."""
    sealed_size: int | None
    sealed_sha256: str | None
    duplicates: str | None
    """Inbound, JSON: transfers that it carried and that had been delivered before."""
    head_sequence: int | None
    """The head of the sender's chain that the manifest names."""
    head_sha256: str | None
    resends: int
    """How often the same bytes were sent again."""
    expires: float | None
    """Inbound, None before it is opened; outbound, None once a message without a manifest was sent: no receipt is waited for."""
    state: State
    resume: State | None
    code: str | None
    reason: str | None
    claims: int
    attempts: int
    due: float
    event: int
    created: float
    updated: float
    salt: str

    @property
    def kind(self) -> str:
        return "consignment"

    @property
    def is_plain(self) -> bool:
        """Whether it is one file as one OpenPGP message, for a partner without a gateway: no manifest, and so no number."""
        return self.direction == Direction.OUT and self.sequence is None


class Receipt(NamedTuple):
    """One receipt about a consignment: outbound about one of the partner's, inbound about one of ours."""

    key: int
    direction: Direction
    partner: str
    consignment: str
    level: str | None
    """`domain.receipt.Level`; inbound, None before it is read."""
    answers: str | None
    """Outbound, JSON: the answers that its text will be made of, until it is made; None where the rows of the transfers say
    what they are.
    """
    body: str | None
    """The receipt's text (JSON); None before it is made, or read."""
    sealed_size: int | None
    sealed_sha256: str | None
    state: State
    resume: State | None
    code: str | None
    reason: str | None
    claims: int
    attempts: int
    due: float
    event: int
    created: float
    updated: float
    salt: str

    @property
    def kind(self) -> str:
        return "receipt"


class Lane(NamedTuple):
    """The way to one partner; without a row, it was never used."""

    partner: str
    held: bool = False
    """Whether it waits for a person."""
    failures: int = 0
    """Failures in a row."""
    due: float = 0.0
    code: str | None = None
    reason: str | None = None
    sequence: int = 0
    """The last number that a consignment to the partner was given."""
    seen_sequence: int | None = None
    """The newest head of the partner's chain that we saw."""
    seen_sha256: str | None = None
    updated: float = 0.0
    salt: str = ""


class Quarantined(NamedTuple):
    """Something that is locked away. Its kind is `consignment`, `receipt`, or `tables.FILE`."""

    id: str
    kind: str
    consignment: str
    """The file's name without its endings, as the partner gave it: mostly a consignment's id."""
    partner: str
    code: str
    reason: str
    received: float
    size: int
    sha256: str
    discarded: float | None
    """When a person removed the file for good."""
    salt: str = ""


class Request(NamedTuple):
    """What a person asked of the site, and the answer. It is no unit of work: it has no itinerary."""

    key: int
    id: str
    act: Act
    subject: str
    """What it is about, as the person wrote it: the first characters of an id, or a partner's code."""
    actor: str
    """Who asked: a person's user id, or the log-in of whoever gave a command on the machine."""
    reason: str
    """Why, in the person's words."""
    state: RequestState
    owner: str | None
    """The process that took it last, None before one did."""
    lease: float
    """Until when it belongs to its owner; 0 before it is taken, and once it has an answer."""
    kind: str | None
    """Of a request that was done: what it was about (`transfer`, `consignment`, `receipt`, `lane`, or a kind of `Quarantined`)."""
    unit: str | None
    """Its whole id; of a lane, the partner's code."""
    partner: str | None
    became: str | None
    """The state that the request left it in; `open` of a lane, `discarded` of something that was locked away."""
    code: str | None
    """Of a request that was refused: the error, and what to do about it."""
    refusal: str | None
    remedy: str | None
    created: float
    updated: float
    salt: str
    takes: int | None
    """How many people it takes, as of when it was asked; None of a command on the machine, which no person of the console gave."""
    decider: str | None
    """Of a request that takes two: the second person, who agreed or declined, in their words why, and when; None before that."""
    decider_reason: str | None
    decided: float | None
    argument: str | None
    """What is asked for in particular, such as somebody's new roles; None of an act that takes nothing."""
    node: str | None = None
    """The node whose roles answer it, since the answer is a file of that node's; None where any may, or there is one machine."""


class LegalHold(NamedTuple):
    """A person's word that something is kept beyond its time. It is no unit of work."""

    key: int
    id: str
    kind: str
    """What it is about: `transfer`, `consignment`, `quarantine`, or `partner`, for everything of one."""
    unit: str
    """Its whole id; of a partner, the code."""
    partner: str
    reason: str
    """Why, in the person's words."""
    released: float | None
    """When a person ended it."""
    created: float
    updated: float
    salt: str


Parcel = Consignment | Receipt
"""What is sealed and travels."""
Unit = Transfer | Consignment | Receipt
AnyUnit = TypeVar("AnyUnit", Transfer, Consignment, Receipt)
AnyParcel = TypeVar("AnyParcel", Consignment, Receipt)
Identified = TypeVar("Identified", Transfer, Consignment)

TABLE_OF: Final[Mapping[type[Unit], Table]] = {Transfer: TRANSFERS, Consignment: CONSIGNMENTS, Receipt: RECEIPTS}

_Value = TypeVar("_Value")


def required(value: _Value | None) -> _Value:
    """A value that a unit has in the state that it is in; ImpossibleMove where the row lacks it."""
    if value is None:
        raise ImpossibleMove("a row lacks what its state promises")
    return value
