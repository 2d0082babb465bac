"""Every command, by what it is: one that decides something, with the event that says so, or one that only looks or makes files.

`tests/unit/cli/test_who_decided.py` tries those of SITE, and `tests/acceptance/test_key_commands.py` those of KEYS, which
take real keys; `tests/acceptance/test_continuity.py` those of MEDIA. A command that stands nowhere fails the first.
"""

from __future__ import annotations

from typing import Final

SITE: Final = {
    "submit": "transfer.admitted",
    "hold": "transfer.held",
    "release": "transfer.released",
    "retry": "transfer.retried",
    "return": "transfer.rejected",
    "redirect pass": "transfer.redirected",
    "quarantine discard": "quarantine.discarded",
    "enquiry send": "transfer.admitted",
    "enquiry reply": "transfer.admitted",
    "enquiry close": "enquiry.closed",
    "faults add": "fault.added",
    "faults change": "fault.changed",
    "faults close": "fault.closed",
    "faults publish": "transfer.admitted",
    "hold-retention": "hold.placed",
    "release-retention": "hold.released",
    "reload": "configuration.reloaded",
    "rights": "rights.applied",
    "doctor": "ledger.migrated",
    "recover": "ledger.restored",
    "partner suspend": "partner.suspended",
    "partner resume": "partner.resumed",
    "partner import": "partner.changed",
    "index approve": "index.approved",
    "continuity invoke": "continuity.invoked",
    "continuity update": "continuity.updated",
    "continuity told": "continuity.told",
    "continuity end": "continuity.ended",
    "people add": "person.added",
    "people role": "person.changed",
    "people suspend": "person.suspended",
    "people resume": "person.resumed",
    "people remove": "person.removed",
    "people link": "link.issued",
    "people unpin": "identity.unpinned",
    "tokens add": "token.added",
    "tokens revoke": "token.revoked",
}
KEYS: Final = {
    "keys rotate": "key.rotated",
    "keys confirm": "key.confirmed",
    "keys retire": "key.retired",
    "keys revoke": "key.revoked",
    "partner add": "partner.added",
    "partner add-plain": "partner.added",
    "partner answer": "partner.answered",
    "evidence": "transfer.disclosed",
    "retention": "retention.begun",
    "partner revoke": "key.revoked",
}
ASKED: Final = {"carry-out": "partner.added"}
"""In the names of the two people who decided it in the console: `tests/acceptance/test_cards_by_two.py`."""
COPIES: Final = {"ledger copy": "ledger.copying"}
"""`tests/unit/ledger/test_copying.py`: it takes another database."""
MEDIA: Final = {"export": "medium.exported", "import": "medium.imported"}
NODES: Final = {
    "nodes forget": "node.forgotten",
    "nodes take-console": "node.console-moved",
    "nodes package": "node.packaged",
}
"""`tests/acceptance/test_two_nodes.py` and `test_joining.py`: they take a ledger in PostgreSQL."""
LOOKS: Final = {
    *(
        "card",
        "partner list",
        "partner test",
        "authorities",
        "keys list",
        "config check",
        "validate",
        "transfers",
        "find",
        "tail",
        "traces",
        "show",
        "notify list",
        "notify test",
        "statement",
    ),
    *(
        "referrals",
        "enquiries",
        "enquiry unpack",
        "calendar",
        "extract summary",
        "extract exceptions",
        "inbound pending",
        "inbound case",
        "triage report",
    ),
    *("logins", "status", "redirect unpack", "quarantine list", "quarantine show", "audit verify", "audit heads"),
    *("audit export", "audit statement"),
    *(
        "sample",
        "demo",
        "bench",
        "backup",
        "continuity reconcile",
        "index example",
        "people list",
        "tokens list",
        "requests",
        "checks",
        "incidents",
    ),
}
RUNS: Final = {"init", "restore", "run", "load", "index run", "console", "nodes share", "nodes store", "nodes join"}
"""They make a site, put it back from a copy, run it, and are its back office: who may do that has the site anyway, and before `init` there is no chain."""
