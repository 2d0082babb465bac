#!/usr/bin/env python3
"""Check evidence of a file-transfer gateway: a bundle of one transfer, an export of a period, daily statements.

    python3 verify_evidence.py FILE.zip [STATEMENT.asc ...] [--known CODE=FINGERPRINT ...]
    python3 verify_evidence.py STATEMENT.asc ... --certificate CERTIFICATE.asc [--known CODE=FINGERPRINT]

Needs Python 3.11 and gpg, and nothing of the gateway: it was written from docs/audit.md alone. FINGERPRINT is the key's of
site CODE, as the site told it to you by another way than this file. Statements beside FILE.zip, as partners kept them, are
held against its chain. Exit status: 0 if what is shown holds, 1 if anything does not, 2 if it cannot be checked here.
"""

import argparse
import datetime as dt
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

GPG = "gpg --no-options --batch --no-autostart --disable-dirmngr --trust-model always --status-fd 2 --homedir"
BAD = {"BADSIG", "ERRSIG", "REVKEYSIG", "EXPSIG", "NODATA", "UNEXPECTED", "FAILURE", "ERROR", "BEGIN_DECRYPTION"}


def require(holds: object, why: str, kind: type[Exception] = ValueError) -> None:
    if not holds:
        raise kind(why)  # an OSError says nothing of the evidence


def show(text: str) -> None:
    """Print a line: what a file's maker wrote in it makes no line of its own, and moves nothing on the screen."""
    print(ascii(text)[1:-1])


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
            done = subprocess.run([*GPG.split(), home, *act], input=b"", capture_output=True, check=False, timeout=120)
    told = [line.split(" ") for line in done.stderr.decode("utf-8", "replace").split("\n")]
    words = [line[1] for line in told if line[0] == "[GNUPG:]"]
    valid = [line for line in told if line[1:2] == ["VALIDSIG"]]
    one = words.count("NEWSIG") == len(valid) == 1 and words.count("PLAINTEXT") == (not signature)
    good = one and done.returncode == 0 and not BAD.intersection(words) and valid[0][9] in ("8", "9", "10")  # SHA-2
    require(good, "gpg does not find one good signature over one content")
    if signature:  # it has one proper form, so that none of its bits changes unseen (RFC 4880, section 5.2.3)
        body = signature[2 + signature[0] % 2 :]
        at = 6 + int.from_bytes(body[4:6], "big")
        digest = hashlib.sha256(message + body[:at] + b"\4\xff" + at.to_bytes(4, "big")).digest()
        again = body[:at] + b"\0\x0a\x09\x10" + bytes.fromhex(valid[0][11][-16:]) + digest[:2]
        while rest := body[len(again) :]:
            number = rest[2:][: (int.from_bytes(rest[:2], "big") + 7) // 8]
            again += int.from_bytes(number, "big").bit_length().to_bytes(2, "big") + number
        size = len(again).to_bytes(1 + (len(again) > 255), "big")
        require(signature == bytes([0x87 + len(size)]) + size + again, "the signature is not in its one proper form")
    return valid[0][11], done.stdout


class Evidence:
    """What is checked; `known` are fingerprints by site, `say` is told what was checked, `lacks` is what is not shown."""

    def __init__(self, known: set[str], say: Any = show, certificate: bytes = b"") -> None:
        self.known, self.say, self.certificates = known, say, {"": certificate}
        self.lacks, self.rows, self.heads, self.signed = list[str](), dict[Any, Any](), list[Any](), set[Any]()
        self.committed, self.adopted, self.changed = dict[Any, Any](), dict[Any, str](), dict[Any, bool]()
        self.accepted = Counter[Any]()

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
        return signer, text

    def read_statements(self, site: str, statements: Any, source: str = "") -> None:
        """Daily statements. What counts is the text that gpg finds signed, whatever lies around it."""
        for content in statements:
            said = json.loads(self.signed_by(site, content)[1])
            require(site in ("", said["site"]), "a statement is another site's")
            number, digest = said["head"]["sequence"], said["head"]["sha256"]
            same = all(each[1] == digest for each in self.heads if each[0] == number)
            require(same, f"two that were signed name another event {number}")
            head = f"the head of its chain was event {number}, {digest}"
            self.say(f"Statement of {said['day']}: {said['site']} signed that {head}. Its partners have copies.")
            self.heads.append((number, digest, source and source + said["day"]))

    def members(self, start: str, end: str = "") -> list[str]:
        return [name for name in self.archive.namelist() if name.startswith(start) and name.endswith(end)]

    def lines(self, start: str) -> Any:
        return (json.loads(line) for name in self.members(start) for line in self.archive.open(name))

    def check(self, file: Any, given: Any = ()) -> None:
        """A bundle or an export; its comment is a signature over all that is before the comment and its length."""
        self.archive, self.given = zipfile.ZipFile(file), given
        found, signature, digest = self.archive.infolist(), self.archive.comment, hashlib.sha256()
        size = sum(76 + 2 * len(each.filename) + each.compress_size for each in found) + 20
        whole = file.seek(-2 - len(signature), 2) == size and file.read(2) == len(signature).to_bytes(2, "little")
        odd = any(each.compress_type for each in found) or len(set(self.archive.namelist())) < len(found)
        require(whole and not odd, "something lies between the files in it, or two of them have one name")
        file.seek(0)
        while piece := file.read(min(1 << 20, size - file.tell())):
            digest.update(piece)
        self.certificates |= {name[13:-4]: self.archive.read(name) for name in self.members("certificates/", ".asc")}
        self.manifest = json.loads(self.archive.read("manifest.json"))
        self.site, self.period = self.manifest["site"], self.manifest["period"]
        days = [*(self.period or ()), self.manifest["made"][:10]]
        require([dt.date.fromisoformat(day).isoformat() for day in days] == days, "a day in the manifest is none")
        self.signed_by(self.site, f"evidence {digest.hexdigest()}".encode(), signature)
        require(self.manifest["format"] == 1, "it has a format that is newer than this program", OSError)
        self.say(f"All {len(found)} files are those that {self.site} signed, made at {self.manifest['made']}.")
        self.say(" ".join([f"Not in here, as {self.site} says:", *self.manifest["missing"]]))
        require(not (self.period and self.members("payload/")), "an export has no content")
        for check in (self.check_events, self.check_rows, self.check_others):
            check()
        if self.manifest["subject"]:
            table, direction, partner, identity = self.manifest["subject"]
            row = self.rows[table, direction, partner, identity]
            self.say(f"It is about {identity} of {table}: {row['state']}.")
            payload = [hashlib.file_digest(self.archive.open(name), "sha256") for name in self.members("payload/")]  # type: ignore[arg-type]
            require(all(each.hexdigest() == row["sha256"] for each in payload), "the content is not that of the file")
            self.lack((partner, identity) not in self.signed, f"{partner}'s own word on it. No receipt has it in here")
            made = dt.datetime.fromtimestamp(row["created"] or 0, dt.UTC).isoformat(timespec="milliseconds")
            begun = not row["created"] or any(event[1][:23] == made[:23] for event in self.lines("events/"))
            self.lack(not begun, "how it began. No event in here is from when its row was made")

    def check_events(self) -> None:
        (first, last), (start, end), within = self.manifest["events"], self.period or ("", ""), list[int]()
        number, previous, inside, adopting, day = first - 1, "0" * 64 if first == 1 else None, False, 0, ""
        for row in self.lines("events/"):
            jumps = row[3:4] == ["ledger.restored"] and row[0] > number + 1  # over numbers that a lost disk had used
            follows = len(row) == 10 and (jumps or row[0] == number + 1) and previous in (None, row[8])
            require(follows, f"event {number + 1} is missing, or does not follow the one before")
            require(digest_of(*row[:9]) == row[9], f"event {row[0]} was altered")
            self.lack(jumps, f"events {number + 1} to {row[0] - 1}, which {self.site} lost with a disk")
            number, at, _, event, _, subject, partner, detail, _, previous = row
            if event == "receipt.accepted":
                self.accepted[partner, subject] += 1
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
        told = dict[Any, bool]()
        for row in self.lines("rows/"):
            place, (salt, _, erased) = (row["table"], str(row["plain"][0][1])), row["salt"].partition("erased:")
            gone = bool(erased) and not any(value for _, value in row["personal"])
            digest = digest_of(place[0], erased if gone else digest_of(salt, *row["personal"]), *row["plain"])
            holds = self.committed.get(place) == digest and place not in told
            require(holds, f"row {place[1]} of {place[0]} is not what the chain says of it")
            told[place] = gone
            says = dict(row["personal"] + row["plain"])  # no name that is under no digest hides one that is
            name = (place[0], *map(says.get, ("direction", "partner")), says.get("id") or says.get("sealed_sha256"))
            self.rows[name] = {each: says.get(each) for each in ("state", "created", "sha256", "sealed_sha256", "body")}
        left = sorted(place for place in self.changed.keys() - told.keys() if self.committed[place])
        unseen = [f"{key} of {table}" for table, key in left if not self.changed[table, key]]
        later = f"{len(left) - len(unseen)} changed after the period, and are not in here"
        self.say(f"{len(told)} rows are, in every column, what the chain says of them last; {later}.")
        self.lack(unseen, f"what {len(unseen)} rows of the period say. No event after it changes {', '.join(unseen)}")
        faded = sum(told.values())
        self.lack(faded, f"what {faded} rows said of people, in words and names. It was erased, as {self.site} says")
        old = [self.adopted[place] for place in told.keys() & self.adopted.keys()]
        self.lack(old, f"what {len(old)} rows said before {''.join(old[:1])}. The chain adopted them as they were then")

    def check_others(self) -> None:
        """What others signed: receipts, and what these and statements that they kept say of the chain."""
        for name in self.members("receipts/", ".signed"):
            partner, sealed = name.split("/")[1], hashlib.sha256(self.archive.read(name[:-6] + "pgp")).hexdigest()
            body = json.loads(self.signed_by(partner, self.archive.read(name))[1])
            ends = partner and body["sender"] == partner != self.site == body["recipient"]
            require(ends, f"{name} is between other sites")
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
            self.accepted[partner, body["consignment"]] -= 1
            about = (body["consignment"], *(item["transfer"] for item in body["items"]))
            self.signed |= {sealed, *((partner, each) for each in about)}
            if head := body.get("seen_head"):
                self.heads.append((head["sequence"], head["sha256"], f"a receipt that {partner} signed"))
        self.say("Every receipt bears one good signature of the partner that it names.")
        own = {name[2:] for name in self.rows if name[:2] == ("consignments", "out")}
        told = sum(count for name, count in self.accepted.items() if count > 0 and name in own)
        rows = {name[3] for name, row in self.rows.items() if name[0] == "receipts" and row["state"] == "accepted"}
        why = "Events or rows tell of them, and they are not in here as they were signed"
        self.lack(told or rows - self.signed, f"what some receipts say. {why}")
        self.read_statements(self.site, map(self.archive.read, self.members("statements/", ".asc")))
        self.read_statements(self.site, self.given, "the copy that you have of the statement of ")
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=argparse.FileType("rb"), metavar="FILE")
    parser.add_argument("--certificate", type=argparse.FileType("rb"))
    parser.add_argument("--known", action="append", default=[], metavar="CODE=FINGERPRINT")
    given = parser.parse_args()
    known = {"".join(each.split()).upper().replace("=0X", "=") for each in given.known}
    starts = [file.peek(2)[:2] for file in given.files]
    try:
        require(sys.version_info >= (3, 11), "it needs Python 3.11 or newer", OSError)
        formed = all("=" in each[:-40] and not each[-40:].strip("0123456789ABCDEF") for each in known)
        require(formed, "--known takes CODE=FINGERPRINT, with a fingerprint of 40 hexadecimal digits", OSError)
        subprocess.run(["gpg", "--version"], check=True, capture_output=True)
        fits = (
            given.files[0].seekable()
            and starts[0] != (b"PK" if given.certificate else b"--")
            and b"PK" not in starts[1:]
        )
        require(fits, "give one FILE.zip and statements of its site, or statements alone with --certificate", OSError)
        evidence = Evidence(known, show, given.certificate.read() if given.certificate else b"")
        if given.certificate:
            evidence.read_statements("", [file.read() for file in given.files])
        else:
            evidence.check(given.files[0], [file.read() for file in given.files[1:]])
    except (OSError, subprocess.SubprocessError) as error:
        show(f"CANNOT BE CHECKED HERE: {error}.")
        return 2
    except Exception as error:  # noqa: BLE001 - whatever it stumbles over, the file is not what it has to be
        show(f"DOES NOT HOLD: {error} ({type(error).__name__}).")
        return 1
    short = "; ".join(dict.fromkeys(each.partition(". ")[0] for each in evidence.lacks))
    show(f"WHAT IS SHOWN HOLDS; NOT SHOWN: {short}." if short else "EVERYTHING HOLDS.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
