"""Every error of the gateway: what it is called, what becomes of the work, and what a person does next.

What happens on an error is a property of its class, never of the place that catches it. One file a disposition::

    GatewayError                                                                           disposition.py
    ├── Defer        try again later, with full-jitter backoff, until the flow's expiry    defer.py       exit 75
    ├── Reject       the content is wrong: back to whoever submitted it, with the reasons  reject.py      exit 65
    ├── Quarantine   it should not exist: locked away, alarm                               quarantine.py  exit 65
    │   ├── EnvelopeRefused    the OpenPGP message itself                                  envelope.py
    │   ├── ArchiveRefused     what is packed inside                                       contents.py
    │   ├── ManifestRefused    what the signed list says                                   contents.py
    │   ├── Replayed           seen before, with other bytes
    │   └── ReceiptRefused     an answer that does not answer
    ├── Hold         a person must decide; release resumes in place                        hold.py        exit 69
    ├── Halt         this gateway must not go on                                           halt.py        exit 69, 70, 78
    └── Misuse       the command line or the caller's rights                               misuse.py      exit 64 to 77

All are imported from here: `from gateway.errors import DiskFull`. `docs/errors.md` is generated from these classes.
Reasons never carry file content: they may be logged, put in the ledger and sent to a partner.
"""

# ruff: noqa: F403 - a second list of 130 names would only have to be kept like the first

from __future__ import annotations

from gateway.errors.contents import *
from gateway.errors.defer import *
from gateway.errors.disposition import *
from gateway.errors.envelope import *
from gateway.errors.halt import *
from gateway.errors.hold import *
from gateway.errors.misuse import *
from gateway.errors.quarantine import *
from gateway.errors.reject import *
