#!/usr/bin/env python3
"""Check evidence of a file-transfer gateway: a bundle of one transfer, an export of a period, a daily statement.

    python3 verify_evidence.py FILE.zip [STATEMENT.asc ...] [--known CODE=FINGERPRINT ...]
    python3 verify_evidence.py STATEMENT.asc ... --certificate CERTIFICATE.asc [--known CODE=FINGERPRINT]

Needs Python 3.11 and the program gpg, and nothing of the gateway: it was written from docs/audit.md alone. CODE is a site, and
FINGERPRINT its OpenPGP key's, as the site told it to you by another way than this file. Statements of the site that partners
kept, given beside FILE.zip, are held against its chain. Exit status: 0 if what is shown holds (what is not shown is said),
1 if anything does not hold, 2 if it cannot be checked here, which says nothing of the evidence.
"""

import argparse
import base64
import functools
import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

GPG = "gpg --no-options --batch --no-autostart --no-auto-key-locate --disable-dirmngr --trust-model always --status-fd"
GOOD = {"GOODSIG", "EXPKEYSIG"}  # a key that has ended since made a good signature while it had not
BAD = {"BADSIG", "ERRSIG", "REVKEYSIG", "EXPSIG", "NODATA", "UNEXPECTED", "FAILURE", "ERROR", "BEGIN_DECRYPTION"}
HASHES = {"8": b"SHA256", "9": b"SHA384", "10": b"SHA512"}
COMPARED = ("id", "direction", "partner", "state", "sha256", "sealed_sha256", "body", "created", "consignment")
ASK = "that this is {0}'s key. Ask {0}, then give --known {0}={1}"
CLEAR = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: "
ARMOUR = rb"-----BEGIN PGP SIGNATURE-----\n\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/=]{1,64}\n)(?:=[A-Za-z0-9+/]{4}\n)?"
STATEMENT = re.compile(CLEAR + rb"(SHA\d+)\n\n(\{[ -~]*\})\n" + ARMOUR + b"-----END PGP SIGNATURE-----\n")


def able(can: object, why: str) -> None:
    if not can:
        print(f"CANNOT BE CHECKED HERE: {why}.")
        sys.exit(2)


able(sys.version_info >= (3, 11), "it needs Python 3.11 or newer")


def require(holds: object, why: str) -> None:
    if not holds:
        raise ValueError(why)


def digest_of(*values: object) -> str:
    """SHA-256 of a JSON array, as the chain and the rows have it."""
    return hashlib.sha256(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


@functools.lru_cache(maxsize=4096)
def signed_by(certificates: bytes, message: bytes, signature: bytes | None = None) -> tuple[str, bytes, bytes]:
    """Who signed (primary fingerprint), by which hash, and what: one good signature by one of the certificates."""
    with tempfile.TemporaryDirectory() as home:
        for name, content in (("certificates", certificates), ("message", message), ("signature", signature or b"")):
            Path(home, name).write_bytes(content)
        check = ["--output", "-", "--decrypt"] if signature is None else ["--verify", f"{home}/signature"]
        for act in (["--import", f"{home}/certificates"], [*check, f"{home}/message"]):
            command = [*GPG.split(), "2", "--homedir", home, *act]
            done = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=120)
    told = [line.split(" ") for line in done.stderr.decode("utf-8", "replace").split("\n")]
    words = [line[1] for line in told if line[0] == "[GNUPG:]"]
    valid, kind = [line[2:] for line in told if line[1:2] == ["VALIDSIG"]], "01" if message.startswith(CLEAR) else "00"
    require(done.returncode == 0 and words.count("NEWSIG") == 1 == len(valid), "gpg finds no good signature")
    require(sum(word in GOOD for word in words) == 1 and not BAD.intersection(words), "gpg refuses the signature")
    require(words.count("PLAINTEXT") == (signature is None), "it is no message that is signed and nothing else")
    require(valid[0][7] in HASHES and valid[0][8] == kind, "the signature is of a kind that is not accepted")
    return valid[0][9], HASHES[valid[0][7]], done.stdout


def check_known(known: set[str], code: str, key: str) -> None:
    others = [each for each in known if each.startswith(f"{code}=")]
    require(not others or f"{code}={key}" in others, f"{key} is not the key that you know of {code}")


def check_form(signature: bytes, fingerprint: str) -> None:
    """A signature has one proper form, so that none of its bits changes unseen (RFC 4880, section 5.2.3)."""
    start = {0x88: 2, 0x89: 3}.get(signature[0], 0)
    head = signature[:1] + (len(signature) - start).to_bytes(start - 1, "big") + b"\4"
    at = start + 6 + int.from_bytes(signature[start + 4 : start + 6], "big")
    issuer = b"\0\x0a\x09\x10" + bytes.fromhex(fingerprint[-16:])
    holds, at = signature.startswith(head) and signature[at : at + 12] == issuer, at + 14
    while at < len(signature):
        bits = int.from_bytes(signature[at : at + 2], "big")
        number = signature[at + 2 : (at := at + 2 + (bits + 7) // 8)]
        holds = holds and int.from_bytes(number, "big").bit_length() == bits
    require(holds and at == len(signature), "the signature is not in its one proper form")


def check_container(file: BinaryIO) -> zipfile.ZipFile:
    """Every byte outside the members is what it has to be: nothing hides before, between or behind them."""
    archive, at, end = zipfile.ZipFile(file), 0, b""
    for member in archive.infolist():
        name, size = member.filename.encode("ascii"), member.file_size
        common = struct.pack("<5H3IH", 20, 0, 0, 0, 33, member.CRC, size, size, len(name))
        local = b"PK\3\4" + common + b"\0\0" + name
        file.seek(at)
        require(file.read(len(local)) == local, f"the container is not in its one proper form at {member.filename!r}")
        end += b"PK\1\2\x14\3" + common + bytes(8) + struct.pack("<2I", 0o100644 << 16, at) + name
        at += len(local) + size
    count = len(archive.infolist())
    end += b"PK\5\6" + struct.pack("<4H2IH", 0, 0, count, count, len(end), at, 0)
    file.seek(at)
    require(file.read(len(end) + 1) == end, "the container is not in its one proper form at its end")
    return archive


def read_statement(content: bytes, verify: Any) -> Any:
    """A daily statement, clear-signed in its one proper form; `verify` is `signed_by` but for the certificate."""
    able(b"\r\n" not in content, "the statement's lines end in CR LF, as mail makes them: get it byte for byte")
    found = STATEMENT.fullmatch(content)
    algorithm, line, armour = found.groups() if found else (b"", b"", b"")
    packet, (signer, used, _) = base64.b64decode(armour), verify(content)
    require(base64.b64encode(packet) == armour.replace(b"\n", b"") and used == algorithm, "it is no proper statement")
    check_form(packet, signer)
    return json.loads(line)


class Evidence:
    """One bundle or export; `known` are fingerprints by site, `say` is told what was checked."""

    def __init__(self, file: BinaryIO, known: set[str], say: Any = print, given: tuple[bytes, ...] = ()) -> None:
        self.archive, self.known, self.say, self.given = check_container(file), known, say, given
        self.manifest = json.loads(self.archive.read("manifest.json"))
        self.about = self.manifest.get("subject", {"table": "", "row": {"id": ""}})
        self.site, self.files = self.manifest["site"], {each["name"]: each for each in self.manifest["files"]}
        self.receipts, self.seen, self.committed, self.changed = [], {}, {}, set()  # type: ignore[var-annotated]
        self.rows: dict[str, list[dict[str, Any]]] = {"transfers": [], "consignments": [], "receipts": []}
        self.lacks, self.adopted, self.later, self.times = [], {}, set(), set()  # type: ignore[var-annotated]
        for check in (self.check_files, self.check_signed, self.check_events, self.check_rows, self.check_answers):
            check()

    def lack(self, what: str) -> None:
        self.lacks.append(what)
        self.say(f"NOT SHOWN: {what}")

    def members(self, start: str, end: str = "") -> list[str]:
        return [name for name in self.files if name.startswith(start) and name.endswith(end)]

    def lines(self, start: str) -> Any:
        return (json.loads(line) for name in self.members(start) for line in self.archive.open(name))

    def signed_by(self, code: str, message: bytes, signature: bytes | None = None) -> tuple[str, bytes, bytes]:
        names = self.members(f"certificates/{code}.")
        found = signed_by(b"".join(map(self.archive.read, names)), message, signature)
        require(f"certificates/{code}.{found[0]}.asc" in names, f"{found[0]} is no key of {code}")
        check_known(self.known, code, found[0])
        return found

    def check_files(self) -> None:
        expected = [*self.files, "manifest.json", "manifest.json.sig"]
        require(self.archive.namelist() == expected, "the files are not those of the manifest, in its order")
        for name, each in self.files.items():
            digest = hashlib.file_digest(self.archive.open(name), "sha256").hexdigest()  # type: ignore[arg-type]
            require(digest == each["sha256"], f"{name} is not what the manifest says")
        manifest, signature = self.archive.read("manifest.json"), self.archive.read("manifest.json.sig")
        signer, _, _ = self.signed_by(self.site, manifest, signature)
        require((signer, 1) == (self.manifest["signer"], self.manifest["format"]), "the manifest is of another form")
        check_form(signature, signer)
        for code in (each.partition("=")[0] for each in self.known):
            able(self.members(f"certificates/{code}."), f"--known names {code}, and the file has no certificate of it")
        self.say(f"All {len(self.files)} files are those that {self.site} signed, made at {self.manifest['made']}.")
        self.say(" ".join([f"Not in here, as {self.site} says:", *self.manifest["missing"]]))

    def check_signed(self) -> None:
        for name in self.members("receipts/", ".signed"):
            partner, sealed = name.split("/")[1], self.files.get(name[: -len("signed")] + "pgp", {})
            body = json.loads(self.signed_by(partner, self.archive.read(name))[2])
            require((body["sender"], body["recipient"]) == (partner, self.site), f"{name} is between other sites")
            self.receipts.append((partner, sealed.get("sha256"), body))
            if head := body.get("seen_head"):
                self.seen.setdefault(head["sequence"], []).append((head["sha256"], f"a receipt that {partner} signed"))
        self.say(f"{len(self.receipts)} receipts bear one good signature of the partner that they name.")
        for content in (*map(self.archive.read, self.members("statements/", ".asc")), *self.given):
            body = read_statement(content, functools.partial(self.signed_by, self.site))
            require(body["site"] == self.site, "a statement is another site's")
            who = f"the copy that you have of the statement of {body['day']}" if content in self.given else ""
            self.say(f"Statement of {body['day']}, SHA-256 {hashlib.sha256(content).hexdigest()}: ask for copies.")
            self.seen.setdefault(body["head"]["sequence"], []).append((body["head"]["sha256"], who))

    def check_events(self) -> None:
        first, period = self.manifest["events"]["first"], self.manifest.get("period", {"first": 1, "last": 0})
        end = str(date.fromisoformat(period["to"]) + timedelta(days=1)) if "to" in period else ""
        number, previous, confirmed, who = first - 1, "0" * 64 if first == 1 else None, first - 1, "nobody else yet"
        within, adopting, day = [], 0, ""
        for row in self.lines("events/"):
            require(len(row) == 10 and row[0] == number + 1, f"event {number + 1} is missing, or not in its place")
            require(previous in (None, row[8]), f"event {row[0]} does not follow the one before")
            require(digest_of(*row[:9]) == row[9], f"event {row[0]} was altered")
            number, previous = row[0], row[9]
            for digest, source in self.seen.pop(number, ()):
                require(digest == previous, f"{source or 'a statement'} names another event {number}")
                confirmed, who = (number, f"{source}, as far as event {number}") if source else (confirmed, who)
            if self.about["table"]:
                self.times.add(row[1])
            if end and period["from"] <= row[1] < end:
                within = [*within[:1], number]
            if row[3] == "ledger.adopted":
                adopting, day = json.loads(row[7])["count"], row[1][:10]
            for table, keys in json.loads(row[7]).items() if row[3] == "ledger.committed" else ():
                self.committed.update({(table, key): digest for key, digest in keys.items()})
                changed = self.changed if period["first"] <= number <= period["last"] else self.later
                changed.update((table, key) for key in keys)
                self.adopted.update(((table, key), day) for key in keys if adopting > 0)
                adopting -= len(keys)
        true = {"first": first, "last": number, "sha256": previous}
        require(true == self.manifest["events"], "the events end elsewhere than the manifest says")
        self.say(f"Events {first} to {number} are one chain: none was altered, removed, added or moved.")
        self.say(f"Confirmed by {who}. Receipts and statements name {len(self.seen)} events that are not in here.")
        if confirmed < number:
            self.lack(f"events {confirmed + 1} to {number} by anybody but {self.site}")
        if absent := sorted(each for each, found in self.seen.items() if any("copy" in source for _, source in found)):
            self.lack(f"events {absent}, which your statements name: they are not in here")
        if end:
            days, span = f"{period['from']} to {period['to']} (UTC)", [period["first"], period["last"]]
            holds = within in (span, span[:1] * (span[0] == span[1])) and first in (1, span[0] - 1)
            require(holds, f"the events are not those of {days}")
            require(self.manifest["made"] >= end, f"it was made before {days} had ended, which no gateway does")
            self.say(f"Events {span[0]} to {span[1]} are those of {days}.")
            if number == span[1]:
                self.lack(f"that {number} is the last event of {days}: none from after it is in here")

    def check_rows(self) -> None:
        told = set()
        for row in self.lines("rows/"):
            table, key, (salt, _, erased) = row["table"], str(row["plain"][0][1]), row["salt"].partition("erased:")
            personal = digest_of(salt, *row["personal"]) if salt else erased
            holds = self.committed.get((table, key)) == digest_of(table, personal, *row["plain"])
            holds = holds and (salt or not any(value for _, value in row["personal"])) and (table, key) not in told
            require(holds, f"row {key} of {table} is not what the chain says of it")
            told.add((table, key))
            values = dict(row["plain"] + row["personal"])
            self.rows.setdefault(table, []).append({name: values.get(name) for name in COMPARED})
        if "period" in self.manifest:
            later = {(table, key) for table, keys in self.manifest["changed_later"].items() for key in keys}
            gone = {key for key in self.changed if self.committed[key] is None}
            require(told | later == self.changed - gone and not told & later, "rows are missing, or there are more")
            self.say(f"NOT IN HERE: {len(later)} rows that changed after the period, {len(gone)} that were removed.")
            if unseen := sorted(later - self.later):
                keys = ", ".join(f"{key} of {table}" for table, key in unseen)
                self.lack(f"that {len(unseen)} rows changed after the period. No event in here changes {keys}")
        self.say(f"{len(told)} rows are, in every column, what the chain says of them last.")
        if old := told & self.adopted.keys():
            why = "They were adopted on that day: what they said before, the chain shows only as far as its events do"
            self.lack(f"what {len(old)} rows said before {self.adopted[old.pop()]}. {why}")

    def check_answers(self) -> None:
        sent = {(row["partner"], row["id"]): row for row in self.rows["transfers"] if row["direction"] == "out"}
        sealed = {(row["partner"], row["id"]): row for row in self.rows["consignments"] if row["direction"] == "out"}
        bodies = {row["sealed_sha256"]: row["body"] for row in self.rows["receipts"] if row["direction"] == "in"}
        for partner, sha256, body in self.receipts:
            parcel = sealed.get((partner, body["consignment"]), body)
            require(parcel["sealed_sha256"] == body["sealed_sha256"], f"{partner} signed for other bytes")
            noted = json.loads(bodies.get(sha256) or "null") or body
            for said, there in [(noted, body), *zip(noted["items"], body["items"], strict=True)]:
                parts = {name: each for name, each in said.items() if each and name not in ("issued", "items")}
                require(parts.items() <= there.items(), f"the row of a receipt is not what {partner} signed")
            for item in body["items"]:
                row = sent.get((partner, item["transfer"]), item)
                require(row["sha256"] == item["sha256"], f"{partner} signed for another file than was sent")
                if row is not item and "subject" in self.manifest:
                    self.say(f"{partner} signed at {body['issued']}: {item['outcome']}, SHA-256 {item['sha256']}.")
        kept = [row["sealed_sha256"] for row in self.rows["receipts"] if row["state"] == "accepted"]
        if unsigned := len({*kept} - {sha256 for _, sha256, _ in self.receipts}):
            self.lack(f"what {unsigned} receipts say. They are not in here as their partners signed them")
        if table := self.about["table"]:
            rows = [row for row in self.rows[table] if self.about["row"].items() <= row.items()]
            payloads = {self.files[name]["sha256"] for name in self.members("payload/")}
            require(len(rows) == 1 and payloads <= {rows[0].get("sha256")}, "the row that it is about is not in it")
            self.check_subject(rows[0])
        for code, name, _ in (each.split("/")[1].split(".") for each in self.members("certificates/")):
            if f"{code}={name}" not in self.known:
                self.lack(ASK.format(code, name))

    def check_subject(self, row: dict[str, Any]) -> None:
        identity, partner, made = row["id"], row["partner"], row["created"]
        self.say(f"It is about {identity} of {self.about['table']}: {row['state']}.")
        signed = [body for code, _, body in self.receipts if code == partner]
        if not any(identity in (each["consignment"], *(one["transfer"] for one in each["items"])) for each in signed):
            self.lack(f"{partner}'s own word on it. No receipt that {partner} signed about it is in here")
        if made and not any(abs(datetime.fromisoformat(at).timestamp() + 0.0005 - made) < 0.0006 for at in self.times):
            self.lack("how it began. No event in here is from the moment in which its row was made")


def check_statement(content: bytes, certificates: bytes, known: set[str]) -> list[str]:
    """A statement alone; what is not shown."""
    body = read_statement(content, functools.partial(signed_by, certificates))
    signer, _, _ = signed_by(certificates, content)
    site = body["site"]
    able(all(each.startswith(f"{site}=") for each in known), f"--known names another site than {site}")
    check_known(known, site, signer)
    print(f"{site} signed for {body['day']} that the head of its chain was {body['head']}.")
    return [] if known else [ASK.format(site, signer)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=argparse.FileType("rb"), metavar="FILE")
    parser.add_argument("--certificate", type=argparse.FileType("rb"))
    parser.add_argument("--known", action="append", default=[], metavar="CODE=FINGERPRINT")
    given = parser.parse_args()
    able(shutil.which("gpg"), "the program gpg is not here")
    known = {"".join(each.split()).upper().replace("=0X", "=") for each in given.known}
    formed = all(re.fullmatch("[^=]+=([0-9A-F]{40}|[0-9A-F]{64})", each) for each in known)
    able(formed, "--known takes CODE=FINGERPRINT, with a fingerprint of 40 hexadecimal digits")
    alone, (first, *_) = given.certificate is not None, given.files
    statements = [file.read() for file in given.files[not alone :]]
    fits = not any(each.startswith(b"PK") for each in statements) and (alone or first.peek(10)[:10] != CLEAR[:10])
    able(fits, "give one FILE.zip first and then statements of its site, or statements alone with --certificate")
    try:
        if alone:
            certificates = given.certificate.read()
            lacks = [lack for each in statements for lack in check_statement(each, certificates, known)]
            print("".join(f"NOT SHOWN: {each}\n" for each in dict.fromkeys(lacks)), end="")
        else:
            lacks = Evidence(first, known, print, tuple(statements)).lacks
    except (OSError, subprocess.SubprocessError) as error:
        able(False, f"gpg, or the disk, does not do its work: {error}")
    except Exception as error:  # noqa: BLE001 - whatever it stumbles over, the file is not what it has to be
        print(f"DOES NOT HOLD: {error} ({type(error).__name__}).")
        return 1
    short = "; ".join(dict.fromkeys(each.partition(". ")[0] for each in lacks))
    print(f"WHAT IS SHOWN HOLDS; NOT SHOWN: {short}." if lacks else "EVERYTHING HOLDS.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
