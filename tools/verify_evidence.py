#!/usr/bin/env python3
"""Check evidence of a file-transfer gateway: a bundle of one transfer, an export of a period, a daily statement.

    python3 verify_evidence.py FILE.zip [STATEMENT.asc ...] [--known CODE=FINGERPRINT ...]
    python3 verify_evidence.py STATEMENT.asc ... --certificate CERTIFICATE.asc [--known CODE=FINGERPRINT]

Needs Python 3.11 and gpg, and nothing of the gateway: it was written from docs/audit.md alone. FINGERPRINT is the key's of the site
CODE, as the site told it to you by another way than this file. Statements that partners kept, given beside FILE.zip, are held against
its chain. Exit status: 0 if what is shown holds, 1 if anything does not, 2 if it cannot be checked here (no word on the evidence).
"""

import argparse
import datetime as dt
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any


def able(can: object, why: str) -> None:
    if not can:
        print(f"CANNOT BE CHECKED HERE: {why}.")
        sys.exit(2)


able(sys.version_info >= (3, 11), "it needs Python 3.11 or newer")
GPG = "--no-options --batch --no-autostart --no-auto-key-locate --disable-dirmngr --trust-model always --status-fd 2"
BAD = {"BADSIG", "ERRSIG", "REVKEYSIG", "EXPSIG", "NODATA", "UNEXPECTED", "FAILURE", "ERROR", "BEGIN_DECRYPTION"}
SHA2 = {"8", "9", "10"}  # SHA-256, SHA-384, SHA-512
COMPARED = ("state", "created", "sha256", "sealed_sha256", "body")


def require(holds: object, why: str) -> None:
    if not holds:
        raise ValueError(why)


def digest_of(*values: object) -> str:
    """SHA-256 of a JSON array, as the chain and the rows have it."""
    return hashlib.sha256(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def signed_by(certificates: bytes, message: bytes, signature: bytes = b"") -> tuple[str, bytes]:
    """Who signed (primary fingerprint) and what, as gpg tells it: one good signature by one of the certificates."""
    with tempfile.TemporaryDirectory() as home:
        for name, content in (("certificates", certificates), ("message", message), ("signature", signature)):
            Path(home, name).write_bytes(content)
        check = ["--verify", f"{home}/signature"] if signature else ["--output", "-", "--decrypt"]
        for act in (["--import", f"{home}/certificates"], [*check, f"{home}/message"]):
            command = ["gpg", *GPG.split(), "--homedir", home, *act]
            done = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=120)
    told = [line.split(" ") for line in done.stderr.decode("utf-8", "replace").split("\n")]
    words = [line[1] for line in told if line[0] == "[GNUPG:]"]
    valid = [line for line in told if line[1:2] == ["VALIDSIG"]]
    one = words.count("NEWSIG") == len(valid) == 1 and words.count("PLAINTEXT") == (not signature)
    good = one and done.returncode == 0 and not BAD.intersection(words) and valid[0][9] in SHA2
    require(good, "gpg does not find one good signature over one content")
    return valid[0][11], done.stdout


def check_form(packet: bytes, signer: str, message: bytes) -> None:
    """A detached signature has one proper form, so that none of its bits changes unseen (RFC 4880, sections 5.2.3 and 5.2.4)."""
    body = packet[2 + packet[0] % 2 :]
    at = 6 + int.from_bytes(body[4:6], "big")
    digest = hashlib.sha256(message + body[:at] + b"\4\xff" + at.to_bytes(4, "big")).digest()
    again = body[:at] + b"\0\x0a\x09\x10" + bytes.fromhex(signer[-16:]) + digest[:2]
    while rest := body[len(again) :]:
        number = rest[2:][: (int.from_bytes(rest[:2], "big") + 7) // 8]
        again += int.from_bytes(number, "big").bit_length().to_bytes(2, "big") + number
    size = len(again).to_bytes(1 + (len(again) > 255), "big")
    require(packet == bytes([0x87 + len(size)]) + size + again, "the signature is not in its one proper form")


class Evidence:
    """What is checked; `known` are fingerprints by site, `say` is told what was checked, `lacks` is what is not shown."""

    def __init__(self, known: set[str], say: Any = print, certificate: bytes = b"") -> None:
        self.known, self.say, self.certificates = known, say, {"": certificate}
        self.lacks, self.rows, self.heads, self.signed = list[str](), dict[Any, Any](), list[Any](), set[Any]()
        self.committed, self.adopted, self.changed = dict[Any, Any](), dict[Any, str](), dict[Any, bool]()

    def lack(self, when: object, what: str) -> None:
        if when and what not in self.lacks:
            self.lacks.append(what)
            self.say(f"NOT SHOWN: {what}")

    def signed_by(self, site: str, message: bytes, signature: bytes = b"") -> tuple[str, bytes]:
        """By a key of this site; of the one that signed a statement alone."""
        signer, text = signed_by(self.certificates.get(site, b""), message, signature)
        site = site or json.loads(text)["site"]
        known = [each for each in self.known if each.startswith(f"{site}=")]
        require(not known or f"{site}={signer}" in known, f"{signer} is not the key that you know of {site}")
        self.lack(not known, f"that this is {site}'s key. Ask {site}, then give --known {site}={signer}")
        self.certificates.setdefault(site, b"")
        return signer, text

    def read_statement(self, content: bytes, site: str = "") -> Any:
        """A daily statement. What counts is the text that gpg finds signed, whatever lies around it."""
        said = json.loads(self.signed_by(site, content)[1])
        require(site in ("", said["site"]), "a statement is another site's")
        event = "that event {sequence} of its chain is {sha256}".format(**said["head"])
        self.say(f"Statement of {said['day']}: {said['site']} signed {event}. Ask its partners for their copies.")
        return said

    def members(self, start: str, end: str = "") -> list[str]:
        return [name for name in self.archive.namelist() if name.startswith(start) and name.endswith(end)]

    def lines(self, start: str) -> Any:
        return (json.loads(line) for name in self.members(start) for line in self.archive.open(name))

    def check(self, file: Any, given: tuple[bytes, ...] = ()) -> None:
        """A bundle or an export; its comment is a signature over all that is before the comment and its length."""
        self.archive = zipfile.ZipFile(file)
        found, signature, digest = self.archive.infolist(), self.archive.comment, hashlib.sha256()
        size = sum(76 + 2 * len(each.filename) + each.compress_size for each in found) + 20
        whole = file.seek(-2 - len(signature), 2) == size and file.read(2) == len(signature).to_bytes(2, "little")
        require(whole and not any(each.compress_type for each in found), "something lies between the files in it")
        require(len({each.filename for each in found}) == len(found), "two files in it have one name")
        file.seek(0)
        while piece := file.read(min(1 << 20, size - file.tell())):
            digest.update(piece)
        for name in self.members("certificates/"):
            self.certificates[name.split("/")[1].removesuffix(".asc")] = self.archive.read(name)
        self.manifest = json.loads(self.archive.read("manifest.json"))
        self.site, self.period = self.manifest["site"], self.manifest["period"]
        message = f"evidence {digest.hexdigest()}".encode()
        check_form(signature, self.signed_by(self.site, message, signature)[0], message)
        able(self.manifest["format"] == 1, "it has a format that is newer than this program")
        self.say(f"All {len(found)} files are those that {self.site} signed, made at {self.manifest['made']}.")
        self.say(" ".join([f"Not in here, as {self.site} says:", *self.manifest["missing"]]))
        for check in (self.check_events, self.check_rows, self.check_receipts, lambda: self.check_heads(given)):
            check()
        if self.manifest["subject"]:
            self.check_subject(*self.manifest["subject"])

    def check_events(self) -> None:
        (first, last), (start, end), within = self.manifest["events"], self.period or ("", ""), list[int]()
        number, previous, inside, adopting, day = first - 1, "0" * 64 if first == 1 else None, False, 0, ""
        for row in self.lines("events/"):
            require(len(row) == 10 and row[0] == number + 1, f"event {number + 1} is missing, or not in its place")
            require(previous in (None, row[8]), f"event {row[0]} does not follow the one before")
            require(digest_of(*row[:9]) == row[9], f"event {row[0]} was altered")
            number, at, _, event, *_, detail, _, previous = row
            inside = start <= at[:10] <= end
            within[1:] = [number] * inside or within[1:]  # the first and the last of them
            if event == "ledger.adopted":
                adopting, day = json.loads(detail)["count"], at[:10]
            for table, keys in json.loads(detail).items() if event == "ledger.committed" else ():
                rows = {(table, key): digest for key, digest in keys.items()}
                self.committed.update(rows)
                self.changed.update({place: not inside for place in rows if inside or place in self.changed})
                self.adopted.update(dict.fromkeys(rows if adopting > 0 else (), day))
                adopting -= len(rows)
        require(number == last, "the events end elsewhere than the manifest says")
        self.say(f"Events {first} to {last} are one chain: none was altered, removed, added or moved.")
        if self.period:
            days = f"{start} to {end} (UTC)"
            require(within and (first == 1 or within[0] > first), f"the events are not those of {days}")
            require(self.manifest["made"][:10] > end, f"it was made before {days} had ended, which no gateway does")
            self.say(f"Events {within[0]} to {within[-1]} are those of {days}.")
            self.lack(inside, f"that {last} is the last event of {days}: none from after it is in here")

    def check_rows(self) -> None:
        told = set()
        for row in self.lines("rows/"):
            place, (salt, _, erased) = (row["table"], str(row["plain"][0][1])), row["salt"].partition("erased:")
            personal = digest_of(salt, *row["personal"]) if salt else erased
            holds = self.committed.get(place) == digest_of(place[0], personal, *row["plain"]) and place not in told
            holds = holds and (salt or not any(value for _, value in row["personal"]))
            require(holds, f"row {place[1]} of {place[0]} is not what the chain says of it")
            told.add(place)
            values = dict(row["plain"] + row["personal"])
            name = [values.get(column) for column in ("direction", "partner", "id", "sealed_sha256")]
            self.rows[place[0], *name[:2], name[2] or name[3]] = {column: values.get(column) for column in COMPARED}
        self.say(f"{len(told)} rows are, in every column, what the chain says of them last.")
        left = sorted(place for place in self.changed.keys() - told if self.committed[place])
        unseen = [f"{key} of {table}" for table, key in left if not self.changed[table, key]]
        self.say(f"Of the period's rows {len(left) - len(unseen)} are not in here, since they changed after it.")
        why = f"No event in here changes them after it: {', '.join(unseen)}"
        self.lack(unseen, f"what {len(unseen)} rows of the period say. {why}")
        old = [self.adopted[place] for place in told & self.adopted.keys()]
        why = "They were adopted on that day: what they said before, the chain shows only as far as its events do"
        self.lack(old, f"what {len(old)} rows said before {old[0] if old else ''}. {why}")

    def check_receipts(self) -> None:
        names = self.members("receipts/", ".signed")
        for name in names:
            partner, sealed = name.split("/")[1], hashlib.sha256(self.archive.read(name[:-6] + "pgp")).hexdigest()
            body = json.loads(self.signed_by(partner, self.archive.read(name))[1])
            require((body["sender"], body["recipient"]) == (partner, self.site), f"{name} is between other sites")
            parcel = self.rows.get(("consignments", "out", partner, body["consignment"]), body)
            require(parcel["sealed_sha256"] == body["sealed_sha256"], f"{partner} signed for other bytes")
            noted = json.loads(self.rows.get(("receipts", "in", partner, sealed), {}).get("body") or "null") or body
            for said, there in [(noted, body), *zip(noted["items"], body["items"], strict=True)]:
                parts = {name: each for name, each in said.items() if each and name not in ("issued", "items")}
                require(parts.items() <= there.items(), f"the row of a receipt is not what {partner} signed")
            for item in body["items"]:
                row = self.rows.get(("transfers", "out", partner, item["transfer"]), item)
                require(row["sha256"] == item["sha256"], f"{partner} signed for another file than was sent")
                if row is not item and not self.period:
                    self.say(f"{partner} signed at {body['issued']}: {item['outcome']}, SHA-256 {item['sha256']}.")
            about = (body["consignment"], *(item["transfer"] for item in body["items"]))
            self.signed |= {sealed, *((partner, each) for each in about)}
            if head := body.get("seen_head"):
                self.heads.append((head["sequence"], head["sha256"], f"a receipt that {partner} signed"))
        self.say(f"{len(names)} receipts bear one good signature of the partner that they name.")
        accepted = {name[3] for name, row in self.rows.items() if name[0] == "receipts" and row["state"] == "accepted"}
        unsigned = f"{len(accepted - self.signed)} receipts say. They are not in here as their partners signed them"
        self.lack(accepted - self.signed, f"what {unsigned}")

    def check_heads(self, given: tuple[bytes, ...]) -> None:
        """What others than the site have seen of its chain: their receipts say it, and statements that they kept."""
        for content in (*map(self.archive.read, self.members("statements/", ".asc")), *given):
            said = self.read_statement(content, self.site)
            who = f"the copy that you have of the statement of {said['day']}" if content in given else ""
            self.heads.append((said["head"]["sequence"], said["head"]["sha256"], who))
        named, (first, last) = {head[0] for head in self.heads}, self.manifest["events"]
        digests = {row[0]: row[9] for row in self.lines("events/") if row[0] in named}
        confirmed, by = first - 1, "nobody else yet"
        for number, digest, who in sorted(self.heads):
            require(digests.get(number, digest) == digest, f"{who or 'a statement'} names another event {number}")
            if who and number in digests:
                confirmed, by = number, f"{who}, as far as event {number}"
            self.lack("copy" in who and number not in digests, f"event {number}, which your statement names")
        self.say(f"Confirmed by {by}.")
        self.lack(confirmed < last, f"events {confirmed + 1} to {last} by anybody but {self.site}")

    def check_subject(self, table: str, direction: str, partner: str, identity: str) -> None:
        row = self.rows[table, direction, partner, identity]
        self.say(f"It is about {identity} of {table}: {row['state']}.")
        for name in self.members("payload/"):
            digest = hashlib.file_digest(self.archive.open(name), "sha256")  # type: ignore[arg-type]
            require(digest.hexdigest() == row["sha256"], "the content is not that of the file that it is about")
        why = f"No receipt that {partner} signed about it is in here"
        self.lack((partner, identity) not in self.signed, f"{partner}'s own word on it. {why}")
        made = dt.datetime.fromtimestamp(row["created"] or 0, dt.UTC).isoformat(timespec="milliseconds")
        begun = not row["created"] or any(event[1][:23] == made[:23] for event in self.lines("events/"))
        self.lack(not begun, "how it began. No event in here is from the moment in which its row was made")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=argparse.FileType("rb"), metavar="FILE")
    parser.add_argument("--certificate", type=argparse.FileType("rb"))
    parser.add_argument("--known", action="append", default=[], metavar="CODE=FINGERPRINT")
    given = parser.parse_args()
    known = {"".join(each.split()).upper().replace("=0X", "=") for each in given.known}
    formed = all(re.fullmatch("[^=]+=([0-9A-F]{40}|[0-9A-F]{64})", each) for each in known)
    able(formed, "--known takes CODE=FINGERPRINT, with a fingerprint of 40 hexadecimal digits")
    starts = [file.peek(2)[:2] for file in given.files]
    fits = starts[0] != (b"PK" if given.certificate else b"--") and b"PK" not in starts[1:]
    able(fits, "give one FILE.zip first and then statements of its site, or statements alone with --certificate")
    evidence = Evidence(known, print, given.certificate.read() if given.certificate else b"")
    try:
        if given.certificate:
            for file in given.files:
                evidence.read_statement(file.read())
        else:
            evidence.check(given.files[0], tuple(file.read() for file in given.files[1:]))
    except (OSError, subprocess.SubprocessError) as error:
        able(False, f"gpg, or the disk, does not do its work: {error}")
    except Exception as error:  # noqa: BLE001 - whatever it stumbles over, the file is not what it has to be
        print(f"DOES NOT HOLD: {error} ({type(error).__name__}).")
        return 1
    for code in (each.partition("=")[0] for each in known):
        able(code in evidence.certificates, f"--known names {code}, of which no certificate is given")
    short = "; ".join(dict.fromkeys(each.partition(". ")[0] for each in evidence.lacks))
    print(f"WHAT IS SHOWN HOLDS; NOT SHOWN: {short}." if short else "EVERYTHING HOLDS.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
