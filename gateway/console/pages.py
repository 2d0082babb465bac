"""The table of pages: what there is, by which right, and what answers it. What is not in it does not exist.

A page with a right is for whoever has that right at the moment of the request; an `own` one for whoever is signed in; any other for anybody. The first that fits counts. The
table is data, so that a test can hold every page against every role, and `docs/console-pages.md` is made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from gateway.console.rooms import (
    account,
    asked,
    audit,
    checks,
    configuration,
    continuity,
    desk_aids,
    evidence,
    extracts,
    forms,
    identity_provider,
    incidents,
    loops,
    nodes,
    overview,
    partners,
    passing_on,
    payload,
    people,
    proof,
    quarantine,
    retention,
    send,
    sign_in,
    transfers,
    waiting,
)
from gateway.console.visits import Visit
from gateway.domain.people import Right
from gateway.settings.model import SiteKind

Answer = Callable[[Visit], Response]


@dataclass(frozen=True)
class Page:
    """One address. `menu` is its title where the menu leads to it; `section` is the address in the menu that it belongs to. `only` is the
    kind of site that has the page; None for every one.
    """

    method: str
    path: str
    right: Right | None
    answer: Answer
    what: str
    menu: str | None = None
    only: SiteKind | None = None
    takes_file: bool = False
    """Whether its form has a file, which `uploading` receives."""
    own: bool = False
    """Whether it is for whoever is signed in, of any role or none, and about that person alone."""
    waits: bool = False
    """Whether the answer waits for another machine: neither pages nor forms wait for it."""

    @property
    def section(self) -> str:
        """The first part of the address."""
        return "/" + self.path.lstrip("/").partition("/")[0]


PAGES: Final = (
    Page("GET", "/sign-in", None, sign_in.form, "Sign in"),
    Page("POST", "/sign-in", None, sign_in.enter, "Sign in"),
    Page("POST", "/sign-in/challenge", None, sign_in.challenge, "What a passkey is to sign"),
    Page("POST", "/sign-in/passkey", None, sign_in.enter_by_passkey, "Sign in with a passkey"),
    Page("GET", identity_provider.BEGIN, None, identity_provider.begin, "Sign in at the identity provider", waits=True),
    Page(
        "GET", identity_provider.RETURN, None, identity_provider.finish, "Back from the identity provider", waits=True
    ),
    Page("POST", "/sign-out", None, sign_in.leave, "Sign out"),
    Page("GET", "/start/{token}", None, sign_in.start_form, "Set a password, by a one-time link"),
    Page("POST", "/start/{token}", None, sign_in.start, "Set a password, by a one-time link"),
    Page("GET", "/start/{token}/code.svg", None, sign_in.start_code, "The second factor as a picture"),
    Page("GET", "/password", None, sign_in.renewal, "Set a new password"),
    Page("POST", "/password", None, sign_in.renew, "Set a new password"),
    Page("GET", "/account", None, account.shown, "One's own account", own=True),
    Page("POST", "/account/passkeys/begin", None, account.begin, "Add a passkey, by password and code", own=True),
    Page("POST", "/account/passkeys/add", None, account.add, "Add a passkey: what the device answered", own=True),
    Page("POST", "/account/passkeys/remove", None, account.remove, "Remove a passkey of one's own", own=True),
    Page("GET", "/", Right.OVERVIEW, overview.overview, "Overview", "Overview"),
    Page("GET", "/transfers", Right.LOOK, transfers.listed, "Transfers", "Transfers"),
    Page("POST", "/transfers", Right.LOOK, transfers.save, "Save a filter of the transfers, or remove one"),
    Page("GET", "/transfers.csv", Right.LOOK, transfers.as_csv, "Transfers as CSV"),
    Page("GET", "/transfers/{id}", Right.LOOK, transfers.one, "One transfer"),
    Page(
        "GET",
        "/transfers/{id}/evidence",
        Right.EVIDENCE,
        evidence.form,
        "Ask for evidence of a transfer, with a reason",
    ),
    Page(
        "POST",
        "/transfers/{id}/evidence",
        Right.EVIDENCE,
        evidence.ask,
        "Ask for evidence of a transfer, with a reason",
    ),
    Page("GET", "/transfers/{id}/evidence/{request}", Right.EVIDENCE, evidence.one, "Evidence that one asked for"),
    Page("GET", "/transfers/{id}/evidence/{request}/file.zip", Right.EVIDENCE, evidence.take, "Evidence, to take away"),
    Page("GET", "/transfers/{id}/payload", Right.OPEN, payload.form, "Look at a payload, with a reason"),
    Page("POST", "/transfers/{id}/payload", Right.OPEN, payload.ask, "Look at a payload, with a reason"),
    Page("GET", "/transfers/{id}/payload/{request}", Right.OPEN, payload.one, "A payload"),
    Page("GET", "/transfers/{id}/payload/{request}/{page}.png", Right.OPEN, payload.picture, "A page of a payload"),
    Page(
        "GET",
        "/transfers/{id}/redirect",
        Right.ANSWER,
        passing_on.form,
        "Pass on to the right authority",
        only=SiteKind.LA,
    ),
    Page(
        "POST",
        "/transfers/{id}/redirect",
        Right.ANSWER,
        passing_on.ask,
        "Pass on to the right authority",
        only=SiteKind.LA,
    ),
    Page("GET", "/consignments/{id}", Right.LOOK, transfers.consignment, "One consignment"),
    Page("GET", "/find", Right.LOOK, transfers.find_it, "Find"),
    Page("GET", "/send", Right.SEND, send.form, "Send a file", "Send"),
    Page("POST", "/send", Right.SEND, send.take, "Send a file", takes_file=True),
    Page("GET", "/send/{request}", Right.SEND, send.checked, "A file that is to be sent"),
    Page("POST", "/send/{request}", Right.SEND, send.send, "A file that is to be sent"),
    Page("GET", "/waiting", Right.LOOK, waiting.listed, "What waits for a person", "Waiting"),
    Page("GET", "/decide/{act}/{subject}", Right.HOLD, waiting.ask, "Ask for an act"),
    Page("POST", "/decide/{act}/{subject}", Right.HOLD, waiting.decide, "Ask for an act"),
    Page("GET", "/requests", Right.OVERVIEW, asked.all_requests, "What people asked for", "Requests"),
    Page("POST", "/requests", Right.OVERVIEW, asked.save, "Save a filter of what people asked for, or remove one"),
    Page("GET", "/requests/{id}", Right.OVERVIEW, asked.one, "What became of a request"),
    Page("POST", "/requests/{id}", Right.OVERVIEW, asked.decide, "Decide as the second person, or withdraw"),
    Page(
        "GET",
        "/back-office",
        Right.LOOK,
        loops.back_office_page,
        "What the back office has not answered",
        "Back office",
    ),
    Page("GET", "/quarantine", Right.LOOK, quarantine.listed, "Quarantine", "Quarantine"),
    Page("GET", "/quarantine/{id}", Right.LOOK, quarantine.one, "One quarantined file"),
    Page(
        "GET",
        "/quarantine/{locked}/payload",
        Right.EXAMINE,
        payload.form,
        "Look at what is in quarantine, with a reason",
    ),
    Page(
        "POST",
        "/quarantine/{locked}/payload",
        Right.EXAMINE,
        payload.ask,
        "Look at what is in quarantine, with a reason",
    ),
    Page("GET", "/quarantine/{locked}/payload/{request}", Right.EXAMINE, payload.one, "What is in quarantine"),
    Page(
        "GET",
        "/quarantine/{locked}/payload/{request}/{page}.png",
        Right.EXAMINE,
        payload.picture,
        "A page of what is in quarantine",
    ),
    Page("GET", "/calendar", Right.LOOK, extracts.calendar_page, "DWP's extract calendar", "Calendar", SiteKind.DWP),
    Page("GET", "/referrals", Right.LOOK, loops.referral_page, "DWP's referral loop", "Referrals", SiteKind.DWP),
    Page(
        "POST",
        "/referrals",
        Right.LOOK,
        loops.save_referrals,
        "Save a filter of the referrals, or remove one",
        only=SiteKind.DWP,
    ),
    Page("GET", "/enquiries", Right.LOOK, loops.enquiry_page, "Enquiries", "Enquiries"),
    Page("POST", "/enquiries", Right.LOOK, loops.save_enquiries, "Save a filter of the enquiries, or remove one"),
    Page("GET", "/faults", Right.OVERVIEW, loops.fault_page, "Known faults"),
    Page("GET", "/checks", Right.OVERVIEW, checks.listed, "Management checks", "Checks"),
    Page(
        "GET",
        "/checks/sample/{which}.csv",
        Right.INCIDENT,
        checks.sample_as_csv,
        "Checks that are looked at once more, as CSV",
    ),
    Page("GET", "/checks/sample/{which}", Right.INCIDENT, checks.sample, "Checks that are looked at once more"),
    Page(
        "GET",
        "/checks/{id}",
        Right.OVERVIEW,
        checks.one,
        "One check: one's own, or by the right to check, audit or work on incidents",
    ),
    Page("POST", "/checks/{id}", Right.OVERVIEW, checks.act, "Acknowledge, explain, decide, look once more"),
    Page("GET", "/checks/{id}/last-1.pdf", Right.OVERVIEW, checks.last_1, "LAST 1 on paper, for who may see the check"),
    Page(
        "GET",
        "/checks/{id}/last-3.pdf",
        Right.OVERVIEW,
        checks.last_3,
        "LAST 3 on paper, for who may see the check and is not whom it is about",
    ),
    Page("GET", "/access-log.csv", Right.OVERVIEW, checks.access_log_as_csv, "System Access Log as CSV"),
    Page(
        "GET",
        "/access-log",
        Right.OVERVIEW,
        checks.access_log,
        "System Access Log: one's own, or by those rights everybody's",
    ),
    Page("GET", "/print", Right.PRINT, forms.printing, "Secure print", "Secure print"),
    Page("POST", "/print", Right.PRINT, forms.print_day, "Print a day's report of checks"),
    Page("GET", "/incidents", Right.INCIDENT, incidents.listed, "Incidents", "Incidents"),
    Page("GET", "/incidents/open", Right.INCIDENT, incidents.open_form, "Open an incident"),
    Page("POST", "/incidents/open", Right.INCIDENT, incidents.open_one, "Open an incident"),
    Page("GET", "/incidents/{id}", Right.INCIDENT, incidents.one, "One incident"),
    Page("GET", "/incidents/{id}/last-4.pdf", Right.INCIDENT, incidents.as_pdf, "LAST 4 on paper"),
    Page("POST", "/incidents/{id}", Right.INCIDENT, incidents.act, "Add to an incident's trail, or close it"),
    Page("GET", "/forms", Right.REPORT, forms.listed, "Forms", "Forms"),
    Page("GET", "/forms/pdf/{id}", Right.REPORT, forms.as_pdf, "A form on paper"),
    Page("GET", "/forms/{kind}", Right.REPORT, forms.form, "An empty form"),
    Page("POST", "/forms/{kind}", Right.REPORT, forms.fill_in, "Fill a form in"),
    Page("GET", "/partners", Right.OVERVIEW, partners.listed, "Partners", "Partners"),
    Page("GET", "/partners/introduce", Right.PARTNERS, partners.card_form, "Ask to take a partner's card"),
    Page("POST", "/partners/introduce", Right.PARTNERS, partners.ask_for_card, "Ask to take a partner's card"),
    Page("GET", "/partners/{code}", Right.OVERVIEW, partners.one, "One partner"),
    Page(
        "POST", "/partners/{code}", Right.PARTNERS, partners.ask, "Ask for a link tried, a suspension or a resumption"
    ),
    Page("GET", "/continuity", Right.CONTINUITY, continuity.shown, "Business continuity", "Continuity"),
    Page("POST", "/continuity", Right.CONTINUITY, continuity.decide, "Invoke, update or end business continuity"),
    Page(
        "GET",
        "/retention",
        Right.RETENTION,
        retention.shown,
        "What is over its time, legal holds, disposal",
        "Retention",
    ),
    Page("POST", "/retention", Right.RETENTION, retention.hold, "Place a legal hold"),
    Page("GET", "/people", Right.PEOPLE, people.listed, "People", "People"),
    Page("GET", "/people/add", Right.PEOPLE, people.add_form, "Add somebody"),
    Page("POST", "/people/add", Right.PEOPLE, people.add, "Add somebody"),
    Page("GET", "/people/{user}", Right.PEOPLE, people.one, "One person"),
    Page("POST", "/people/{user}", Right.PEOPLE, people.change, "Change somebody's dates or state, or make a link"),
    Page("GET", "/people/{user}/roles", Right.PEOPLE, people.roles_form, "Ask for other roles"),
    Page("POST", "/people/{user}/roles", Right.PEOPLE, people.ask_for_roles, "Ask for other roles"),
    Page("GET", "/audit", Right.AUDIT, audit.audit, "The audit chain", "Audit"),
    Page("POST", "/audit", Right.AUDIT, audit.verify, "Verify the site now"),
    Page("GET", "/audit/heads", Right.AUDIT, proof.heads, "Heads of chains"),
    Page("GET", "/audit/statements", Right.AUDIT, proof.statements, "Daily statements"),
    Page("POST", "/audit/statements", Right.AUDIT, proof.make_statement, "Ask for yesterday's statement"),
    Page("GET", "/audit/statements/{event}.asc", Right.AUDIT, proof.statement, "A daily statement, to take away"),
    Page("GET", "/audit/statements/{event}.tsr", Right.AUDIT, proof.stamp, "The time stamp of a statement"),
    Page("GET", "/events", Right.AUDIT, audit.events, "What happened, event by event"),
    Page("POST", "/events", Right.AUDIT, audit.save_events, "Save a filter of the events, or remove one"),
    Page("GET", "/nodes", Right.OVERVIEW, nodes.nodes, "The nodes of the site"),
    Page("GET", "/configuration", Right.CONFIGURATION, configuration.configuration, "Configuration", "Configuration"),
    Page("GET", "/help", Right.OVERVIEW, desk_aids.index, "Help", "Help"),
    Page("GET", "/help/{name}", Right.OVERVIEW, desk_aids.one, "A desk aid"),
)
