"""Errors of a command's caller: it was called wrongly, or by the wrong person. Nothing has changed.

Long because each thing that somebody can do wrong has an error of its own, with what helps.
"""

from __future__ import annotations

from gateway.errors.disposition import Disposition, GatewayError


class Misuse(GatewayError):
    disposition = Disposition.MISUSE
    exit_status = 64


class UsageWrong(Misuse):
    """The command was called wrongly."""

    code = "usage"
    remedy = "`gateway COMMAND --help` shows how."


class StateOther(UsageWrong):
    """What was to be decided about is in a state in which that cannot be decided: it went on meanwhile, or somebody decided before."""

    code = "unit-state"
    remedy = "`gateway show ID` tells what happened to it, who decided what, and what to do next."


class NotFound(Misuse):
    """There is nothing of that id or name."""

    code = "not-found"
    exit_status = 65
    remedy = "`gateway transfers` and `gateway quarantine list` show the ids; the first characters are enough where they are unique."


class NodeUnknown(NotFound):
    """The site has no node of that name."""

    code = "node-unknown"
    remedy = (
        "`gateway nodes` lists the nodes that there are. One that was forgotten, or has never run, is not among them."
    )


class CardRefused(Misuse):
    """The card is not a valid introduction, or its fingerprint is not the one confirmed."""

    code = "card"
    exit_status = 65
    remedy = "Ask the partner for a new `gateway card`, and confirm the fingerprint by telephone."


class AuthorityUnlisted(Misuse):
    """No authority has that code, by the table of authorities."""

    code = "authority-unlisted"
    exit_status = 65
    remedy = (
        "Correct the code; `gateway authorities TEXT` looks one up by name or code. If it is right and newer than the "
        "table, give --unlisted."
    )


class IndexNotApproved(Misuse):
    """An index would hold what senders wrote, and nobody let it as its template stands now."""

    code = "index-not-approved"
    exit_status = 77
    remedy = (
        "Whoever owns the template decides what personal data its index holds: `gateway index approve NAME`. Or take the "
        "fields and [personal] out of it."
    )


class PartnerSuspended(Misuse):
    """A person suspended the partner: nothing is exchanged with it."""

    code = "partner-suspended"
    exit_status = 69
    remedy = (
        "`gateway partner list` says why. `gateway partner resume CODE --reason TEXT` ends it; what waits goes on then."
    )


class CardForged(CardRefused):
    """The card is signed, but not by the key that is pinned for that partner."""

    code = "card-signature"
    remedy = (
        "Call the partner on a number that you know. If the card is theirs, give the fingerprint that they read out "
        "with --fingerprint; if it is not, somebody else made it: report it."
    )


class PassphraseWrong(Misuse):
    """The file does not open with that passphrase, or is not what was encrypted."""

    code = "passphrase"
    exit_status = 65
    remedy = "Type it as it was printed, hyphens and all. If it is right, copy the file again: it arrived damaged."


class NodePackageRefused(Misuse):
    """The file is no package by which a machine becomes a node of a site."""

    code = "node-package"
    exit_status = 65
    remedy = "Make it anew at a node that works: `gateway nodes package --to FILE`."


class NodeTaken(Misuse):
    """A node of that name is there."""

    code = "node-taken"
    exit_status = 69
    remedy = "`gateway nodes` lists the names. A machine takes the place of one that is gone once its lease is over."


class NodesNotSharing(Misuse):
    """What the nodes of a site have to share is not shared, or is another site's."""

    code = "nodes-not-sharing"
    exit_status = 69
    remedy = 'docs/operators/nodes.md, "First": the ledger, the store and the shared directories come before the second node.'


class SharedTwice(Misuse):
    """A directory of this machine is to be shared, holds something, and is in the shared place already."""

    code = "shared-twice"
    exit_status = 69
    remedy = (
        "Leave the gateway stopped. Move what lies in this machine's directory into the one of that name in the shared place, under the same "
        "names, until it is empty; then give the command again."
    )


class WaybillRefused(Misuse):
    """A directory with carried files has no waybill of a partner for this site, or one that does not hold."""

    code = "waybill"
    exit_status = 65
    remedy = (
        "Name the directory that `gateway export` made, whole. Nothing was taken from it. If it is whole, ask the partner on a number "
        "that you know whether that waybill is theirs."
    )


class CarriedDamaged(Misuse):
    """Some of the carried files are missing, or are not what the waybill says; the others were taken."""

    code = "carried-damaged"
    exit_status = 65
    remedy = "Tell the partner the waybill's number: `gateway export OUR-CODE --again NUMBER` there sends all of it once more."


class KeyStillNeeded(Misuse):
    """The old key is still needed: what is sealed to it may come, or a partner knows no other."""

    code = "key-still-needed"
    exit_status = 69
    remedy = "`gateway keys list` names the partners that have not taken the new card. `--now` retires it all the same."


class NotPermitted(Misuse):
    """You may not do that."""

    code = "not-permitted"
    exit_status = 77
    remedy = "Run it as the gateway's own user, or as root."


class RightMissing(Misuse):
    """Whoever asked, or agreed, does not have the right that it takes: not by a role, not any more, or not while suspended."""

    code = "right-missing"
    exit_status = 77
    remedy = "Let somebody ask who has that right now; two people where it takes two. `gateway people list` shows everybody's roles."


class NotRunning(Misuse):
    """The gateway of this site does not run."""

    code = "not-running"
    exit_status = 69
    remedy = "Start it: `gateway run`. It reads its configuration when it starts."


class StillReloading(Misuse):
    """The gateway was told to reload, and has not shown yet that it did."""

    code = "still-reloading"
    exit_status = 75
    remedy = "Look at its log for `gateway.reloaded` or `gateway.reload-refused`."


class ChangedMeanwhile(Misuse):
    """Somebody else changed the same thing while the command was at work."""

    code = "changed-meanwhile"
    exit_status = 75
    remedy = "Look at what is there now (`gateway partner list`), then give the command again."


class NodeGone(Misuse):
    """It was asked at a node of the site that is gone, and only that node's roles could have answered."""

    code = "node-gone"
    exit_status = 69
    remedy = "Ask again, where the console is served now. `gateway nodes` shows which nodes are there."


class NodeThere(Misuse):
    """The node is there: what was asked for takes that it is gone."""

    code = "node-there"
    exit_status = 69
    remedy = "Stop the gateway on that machine, and wait until `gateway nodes` says that the node is gone."


class ConsoleElsewhere(Misuse):
    """Another node of the site serves the console: passwords, passkeys, sessions and tokens are there, and nowhere else."""

    code = "console-elsewhere"
    exit_status = 69
    remedy = (
        "Go to that node. To have it served here, stop it there, copy state/console to this machine, and give `gateway nodes take-console "
        "--reason TEXT` here. docs/operators/nodes.md has it step by step."
    )


class OriginalMissing(Misuse):
    """The delivered file is not in spool/inbound any more."""

    code = "original-missing"
    exit_status = 65
    remedy = "Get the file back from the back-office system, byte for byte, and name it: `gateway redirect ID ... --file PATH`."


class PayloadGone(Misuse):
    """The content of a transfer is not at this site any more."""

    code = "payload-gone"
    exit_status = 65
    remedy = (
        "Make the evidence without --with-payload: the digest in it tells whether a file that the back office, or the sender, "
        "still has is the one."
    )


class PayloadElsewhere(Misuse):
    """The content of a transfer that was not delivered yet is unpacked at another node of the site, and nowhere else."""

    code = "payload-elsewhere"
    exit_status = 69
    remedy = "`gateway nodes --json` says which node works with the partner. Look at the file when it is delivered, or decide by its story and its reason."


class Unshown(Misuse):
    """A payload cannot be shown: it is none of its flow, or its reader ended over it."""

    code = "unshown"
    exit_status = 65
    remedy = "What is to be known about it is in its story. To read the file itself, ask whoever sent it, or the back office."


class ProofFailed(Misuse):
    """A process of the vault that verified the site, or made evidence, ended without an answer."""

    code = "proof-failed"
    exit_status = 69
    remedy = (
        "Ask once more. If it ends so again, `gateway audit verify` and `gateway evidence` on the machine say more."
    )


class OriginalOther(Misuse):
    """The file that was named is not the one that was delivered, byte for byte."""

    code = "original-other"
    exit_status = 65
    remedy = "`gateway show ID` has the size and the SHA-256 of the delivered file: find the file that `sha256sum` says it of."


class PersonUnknown(Misuse):
    """Nobody has that user id at this site."""

    code = "person-unknown"
    exit_status = 65
    remedy = "`gateway people list --all` shows everybody, those who have left among them."


class RolesApart(Misuse):
    """Two roles that must not meet in one person."""

    code = "roles-apart"
    exit_status = 65
    remedy = "Give one of the roles to somebody else. docs/operators/people.md says which must not meet, and why."


class TrainingMissing(Misuse):
    """A role that shows people's data, without a confidentiality agreement or training."""

    code = "training-missing"
    exit_status = 65
    remedy = "Have both done, then give their dates: --agreement YYYY-MM-DD --training YYYY-MM-DD."


class SignInRefused(Misuse):
    """User id, password or code are not right, or the person may not sign in."""

    code = "sign-in"
    exit_status = 77
    remedy = "Try again with the code that the app shows now. Whoever has forgotten the password asks an administrator for a new link."


class SignInLocked(Misuse):
    """Too many attempts to sign in failed: the next one is taken later."""

    code = "sign-in-locked"
    exit_status = 77
    remedy = "Wait, then try again. An administrator's new link ends the wait for that person."


class IdentityRefused(Misuse):
    """What the identity provider says does not prove who somebody is, or is about nobody who may sign in here."""

    code = "identity"
    exit_status = 77
    remedy = "Start again from the page *Sign in*. If that does not help, tell an administrator the code and the time: the audit chain has the attempt."


class SignInElsewhere(Misuse):
    """The person signs in by the identity provider, and not by a password of the console."""

    code = "sign-in-elsewhere"
    exit_status = 77
    remedy = "Sign in with your work account. While the identity provider is away, `passwords` of [console.identity_provider] can let everybody in by password."


class CredentialsExpired(Misuse):
    """The password is past its time."""

    code = "credentials-expired"
    exit_status = 77
    remedy = "Set a new password with the old one, or ask an administrator for a new link."


class LinkRefused(Misuse):
    """The one-time link was used, is past its time, or was made before the person's last change."""

    code = "link"
    exit_status = 77
    remedy = "Ask an administrator for a new one: `gateway people link USER --reason TEXT`."


class KeyReused(Misuse):
    """The idempotency key was used before, with another request."""

    code = "idempotency-key"
    exit_status = 65
    remedy = "Make a new key for each new request, and use it again only to repeat the same one."


class PasswordRefused(Misuse):
    """The password is too easy to guess, or too long."""

    code = "password"
    exit_status = 65
    remedy = "Three words that have nothing to do with each other are long enough, and can be remembered."


class PasskeyRefused(Misuse):
    """The passkey cannot be added: the address can have none, or the device's answer is not one to what was asked."""

    code = "passkey"
    exit_status = 65
    remedy = "Begin again on the page of your account; password and code stay another way."


class CheckOutstanding(Misuse):
    """A management check of the person's own has to be acknowledged before anything else."""

    code = "check-outstanding"
    exit_status = 77
    remedy = "Acknowledge the check, and refer the papers to the Checking Officer."


class OwnCheck(Misuse):
    """Nobody checks or closes what is about themselves, and nobody explains another's access."""

    code = "own-check"
    exit_status = 77
    remedy = "Leave it to somebody else. docs/operators/management-checks.md says who takes which step."


class CheckMisplaced(Misuse):
    """The check, or the incident, is not where that step is taken."""

    code = "check-state"
    exit_status = 65
    remedy = "`gateway checks --all` and `gateway incidents --all` say where it stands."


class ReportPrinted(Misuse):
    """The day's report of management checks was printed before."""

    code = "report-printed"
    exit_status = 65
    remedy = "Find the printed report. A reprint takes a reason, and is recorded."
