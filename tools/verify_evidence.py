#!/usr/bin/env python3
"""Check evidence that a file-transfer gateway gave out: a bundle of one transfer, an export of a period, a daily statement.

    python3 verify_evidence.py FILE.zip [STATEMENT.asc ...] [--known CODE=FINGERPRINT ...]
    python3 verify_evidence.py STATEMENT.asc --certificate CERTIFICATE.asc [--known CODE=FINGERPRINT ...]

Needs Python 3.9 or later and the program gpg, and nothing of the gateway: it was written from docs/audit.md alone. CODE is a
site, and FINGERPRINT its OpenPGP key's, as the site told it to you by another way than this file. Statements of the site that
partners kept, given beside FILE.zip, are held against its chain. Exit status: 0 if everything holds, 1 if anything does not.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator

GOOD = {"GOODSIG", "EXPKEYSIG"}
BAD = {"BADSIG", "ERRSIG", "REVKEYSIG", "EXPSIG", "NODATA", "UNEXPECTED", "FAILURE", "ERROR", "BEGIN_DECRYPTION"}
HASHES = {"8", "9", "10"}  # SHA-256, SHA-384, SHA-512
KEYS = {"lanes": "partner", "quarantine": "id"}
STATEMENT = re.compile(
    rb"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA\d+\n\n(\{[ -~]*\})\n-----BEGIN PGP SIGNATURE-----\n[^-]*-----END PGP SIGNATURE-----\n"
)
GPG = "gpg --no-options --batch --no-tty --no-autostart --no-auto-key-locate --disable-dirmngr --trust-model always --status-fd 2"


class Doubt(Exception):
    """Something does not hold."""


def require(holds: object, why: str) -> None:
    if not holds:
        raise Doubt(why)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def compact(value: object) -> bytes:
    """The JSON text that digests are made of."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@functools.lru_cache(maxsize=4096)
def signed(certificate: bytes, message: bytes, signature: bytes | None = None) -> tuple[str, bytes]:
    """The primary fingerprint that signed, and what; Doubt unless it is one good signature by exactly this certificate."""
    with tempfile.TemporaryDirectory() as home:

        def gpg(*arguments: str) -> tuple[Any, list[list[str]]]:
            done = subprocess.run(
                [*GPG.split(), "--homedir", home, *arguments], input=b"", capture_output=True, check=False, timeout=120
            )
            lines = done.stderr.decode("utf-8", "replace").split("\n")
            return done, [line[9:].split(" ") for line in lines if line.startswith("[GNUPG:] ")]

        for name, content in (("certificate", certificate), ("message", message), ("signature", signature or b"")):
            Path(home, name).write_bytes(content)
        _, lines = gpg("--import", f"{home}/certificate")
        require([line[0] for line in lines].count("IMPORT_OK") == 1, "a certificate is not exactly one public key")
        command = ["--output", "-", "--decrypt"] if signature is None else ["--verify", f"{home}/signature"]
        done, lines = gpg(*command, f"{home}/message")
    words = [line[0] for line in lines]
    valid = [line for line in lines if line[0] == "VALIDSIG"]
    require(done.returncode == 0 and words.count("NEWSIG") == 1 == len(valid), "gpg finds no good signature")
    require(sum(word in GOOD for word in words) == 1 and not BAD.intersection(words), "gpg refuses the signature")
    require(words.count("PLAINTEXT") == (signature is None), "it is no message that is signed and nothing else")
    kind = "01" if message.startswith(b"-----BEGIN PGP SIGNED") else "00"
    require(valid[0][8] in HASHES and valid[0][9] == kind, "the signature is of a kind that is not accepted")
    return valid[0][10], done.stdout


def check_form(signature: bytes, fingerprint: str) -> None:
    """A detached signature has one proper form, so that none of its bits changes unseen (RFC 4880, section 5.2.3)."""
    width = {0x88: 1, 0x89: 2}.get(signature[0], 0)
    body = signature[1 + width :]
    at = 6 + int.from_bytes(body[4:6], "big")
    holds = width and int.from_bytes(signature[1 : 1 + width], "big") == len(body) and body[0] == 4
    holds = holds and body[at : at + 12] == b"\0\x0a\x09\x10" + bytes.fromhex(fingerprint[-16:])
    at += 14
    while holds and at < len(body):
        bits = int.from_bytes(body[at : at + 2], "big")
        number = body[at + 2 : (at := at + 2 + (bits + 7) // 8)]
        holds = int.from_bytes(number, "big").bit_length() == bits
    require(holds and at == len(body), "the signature is not in its one proper form")


def check_container(file: BinaryIO) -> zipfile.ZipFile:
    """Every byte outside the members is what it has to be: nothing hides before, between or behind them."""
    archive, at, directory = zipfile.ZipFile(file), 0, b""
    for member in archive.infolist():
        name = member.filename.encode("ascii")
        sizes = struct.pack("<5H3I", 0, 0, 0, 0, 33, member.CRC, member.file_size, member.file_size)[2:]
        local = b"PK\3\4" + struct.pack("<H", 20) + sizes + struct.pack("<2H", len(name), 0) + name
        file.seek(at)
        require(file.read(len(local)) == local, f"the container is not in its one proper form at {member.filename!r}")
        directory += b"PK\1\2" + struct.pack("<2H", 0x314, 20) + sizes
        directory += struct.pack("<5H2I", len(name), 0, 0, 0, 0, 0o100644 << 16, at) + name
        at += len(local) + member.file_size
    count = len(archive.infolist())
    directory += b"PK\5\6" + struct.pack("<4H2IH", 0, 0, count, count, len(directory), at, 0)
    file.seek(at)
    require(file.read(len(directory) + 1) == directory, "the container is not in its one proper form at its end")
    return archive


class Evidence:
    """One bundle or export; `known` are fingerprints by site, `say` is told what was checked."""

    def __init__(self, file: BinaryIO, known: dict[str, set[str]], say: Callable[[str], object] = print) -> None:
        self.archive, self.known, self.say = check_container(file), known, say
        self.manifest = json.loads(self.archive.read("manifest.json"))
        require(self.manifest["format"] == 1, "this tool knows format 1 alone")
        self.site, self.files = self.manifest["site"], {each["name"]: each for each in self.manifest["files"]}
        self.receipts: list[tuple[str, str | None, dict[str, Any]]] = []
        self.seen: list[tuple[int, str, str]] = []
        self.committed: dict[tuple[str, str], str | None] = {}
        self.due: set[tuple[str, str]] = set()
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def verify(self, statements: tuple[bytes, ...] = ()) -> None:
        self.check_files()
        self.check_receipts()
        self.check_statements(statements)
        self.check_events()
        self.check_rows()
        self.check_answers()

    def members(self, start: str, end: str = "") -> list[str]:
        return [name for name in self.files if name.startswith(start) and name.endswith(end)]

    def lines(self, start: str) -> Iterator[Any]:
        for name in self.members(start):
            with self.archive.open(name) as file:
                yield from map(json.loads, file)

    def signed(self, code: str, message: bytes, signature: bytes | None = None) -> tuple[str, bytes]:
        """Which key of a site signed, and what, by the certificates in the file."""
        doubt = Doubt(f"there is no certificate of {code}")
        for name in self.members(f"certificates/{code}."):
            try:
                signer, content = signed(self.archive.read(name), message, signature)
                require(name == f"certificates/{code}.{signer}.asc", f"{name} is another key's")
                require(
                    signer in self.known.get(code, {signer}), f"the key {signer} is not the one that you know of {code}"
                )
            except Doubt as found:
                doubt = found
            else:
                return signer, content
        raise doubt

    def check_files(self) -> None:
        expected = ["manifest.json", "manifest.json.sig", *self.files]
        require(self.archive.namelist() == expected, "the files are not those of the manifest, in its order")
        require(len(self.files) == len(self.manifest["files"]), "the manifest names a file twice")
        for name, each in self.files.items():
            digest = hashlib.sha256()
            with self.archive.open(name) as file:
                for piece in iter(lambda: file.read(1 << 20), b""):
                    digest.update(piece)
            require(digest.hexdigest() == each["sha256"], f"{name} is not what the manifest says")
        signature = self.archive.read("manifest.json.sig")
        signer, _ = self.signed(self.site, self.archive.read("manifest.json"), signature)
        require(signer == self.manifest["signer"], "the manifest names another signer")
        check_form(signature, signer)
        self.say(
            f"All {len(self.files)} files are those that {self.site} put together at {self.manifest['made']} and signed."
        )

    def check_receipts(self) -> None:
        for name in self.members("receipts/", ".signed"):
            partner, sealed = name.split("/")[1], name[: -len("signed")] + "pgp"
            body = json.loads(self.signed(partner, self.archive.read(name))[1])
            require((body["sender"], body["recipient"]) == (partner, self.site), f"{name} is between other sites")
            self.receipts.append((partner, self.files[sealed]["sha256"] if sealed in self.files else None, body))
            if head := body.get("seen_head"):
                self.seen.append((head["sequence"], head["sha256"], f"{partner}, in a receipt that it signed"))
        self.say(f"{len(self.receipts)} receipts bear one good signature of the partner that they name.")

    def check_statements(self, given: tuple[bytes, ...]) -> None:
        kept = [(self.archive.read(name), name.split("/")[1]) for name in self.members("statements/")]
        for content, code in [*kept, *((content, self.site) for content in given)]:
            body = read_statement(content)
            require(body["site"] == code, "a statement is another site's")
            self.signed(code, content)
            if code == self.site:
                whose = (
                    "a daily statement that you have"
                    if content in given
                    else "a daily statement, of which partners have copies"
                )
                self.seen.append(
                    (
                        body["head"]["sequence"],
                        body["head"]["sha256"],
                        f"{whose}: {body['day']}, SHA-256 {sha256(content)}",
                    )
                )
        self.say(f"{len(kept) + len(given)} daily statements bear one good signature of the site that they are of.")

    def check_events(self) -> None:
        events, period = self.manifest["events"], self.manifest.get("period")
        wanted, found = {sequence for sequence, _, _ in self.seen}, {}
        number, previous = events["first"] - 1, None
        for row in self.lines("events/"):
            require(len(row) == 10 and row[0] == number + 1, f"event {number + 1} is missing, or not in its place")
            require(previous in (None, row[8]), f"event {row[0]} does not follow the one before")
            require(sha256(compact(row[:9])) == row[9], f"event {row[0]} was altered")
            number, previous = row[0], row[9]
            if number in wanted:
                found[number] = previous
            if row[3] == "ledger.committed":
                for table, keys in json.loads(row[7]).items():
                    self.committed.update({(table, key): digest for key, digest in keys.items()})
                    if period and period["first"] <= number <= period["last"]:
                        self.due.update((table, key) for key in keys)
        require(
            (number, previous) == (events["last"], events["sha256"]), "the events do not end where the manifest says"
        )
        self.say(f"Events {events['first']} to {number} are one chain: none was altered, removed, added or moved.")
        anchored, who = 0, ""
        for sequence, digest, source in self.seen:
            if events["first"] <= sequence <= number:
                require(found[sequence] == digest, f"{source}: another event {sequence} than this chain has")
                anchored, who = max((anchored, who), (sequence, source))
        if anchored:
            self.say(f"The chain as far as event {anchored} is confirmed by {who}.")
        if anchored < number:
            self.say(f"NOT SHOWN by anybody but {self.site}: events {max(anchored + 1, events['first'])} to {number}.")

    def check_rows(self) -> None:
        told = set()
        for row in self.lines("rows/"):
            table, salt, values = row["table"], row["salt"], dict(row["plain"] + row["personal"])
            personal = (
                salt[len("erased:") :] if salt.startswith("erased:") else sha256(compact([salt, *row["personal"]]))
            )
            empty = not salt.startswith("erased:") or not any(value for _, value in row["personal"])
            key = (table, str(values[KEYS.get(table, "key")]))
            digest = sha256(compact([table, personal, *row["plain"]]))
            require(
                empty and key not in told and self.committed.get(key) == digest,
                f"row {key[1]} of {table} is not what the chain says of it",
            )
            told.add(key)
            self.rows.setdefault(table, []).append(values)
        if "period" in self.manifest:
            later = {(table, key) for table, keys in self.manifest["changed_later"].items() for key in keys}
            removed = {key for key in self.due if self.committed[key] is None}
            require(
                told | later == self.due - removed and not told & later,
                "rows of the period are missing, or there are more",
            )
            self.say(f"NOT IN HERE: {len(later)} rows that changed after the period, {len(removed)} that were removed.")
        self.say(f"{len(told)} rows are, in every column, what the chain says of them last.")

    def check_answers(self) -> None:
        """What partners signed, against the rows; and what the file is about."""
        files = {
            (row["partner"], row["id"]): row for row in self.rows.get("transfers", []) if row["direction"] == "out"
        }
        sealed = {
            (row["partner"], row["id"]): row for row in self.rows.get("consignments", []) if row["direction"] == "out"
        }
        bodies = {
            row["sealed_sha256"]: row["body"] for row in self.rows.get("receipts", []) if row["direction"] == "in"
        }
        for partner, digest, body in self.receipts:
            sent = sealed.get((partner, body["consignment"]), body)
            require(sent["sealed_sha256"] == body["sealed_sha256"], f"{partner} signed for other bytes than were sent")
            noted = json.loads(bodies.get(digest) or "{}")
            require(
                all(noted[each] == body.get(each) for each in noted if each not in ("issued", "items")),
                "a receipt is not the one of its row",
            )
            for item in body["items"]:
                row = files.get((partner, item["transfer"]))
                require(
                    row is None or row["sha256"] == item["sha256"], f"{partner} signed for another file than was sent"
                )
                if row is not None and "subject" in self.manifest:
                    self.say(
                        f"{partner} signed at {body['issued']}: {item['outcome']}, transfer {row['id']}, SHA-256 {row['sha256']}."
                    )
        if subject := self.manifest.get("subject"):
            rows = [row for row in self.rows.get(subject["kind"] + "s", []) if row["id"] == subject["id"]]
            require(rows and rows[0]["direction"] == subject["direction"], "there is no row of what this file is about")
            digests = {self.files[name]["sha256"] for name in self.members("payload/")}
            require(digests <= {rows[0].get("sha256")}, "the payload is not the file that the row is about")
            self.say(f"It is about {subject['kind']} {subject['id']}: {rows[0]['state']}.")
        for code, name in sorted(
            {(name.split("/")[1].split(".")[0], name.split(".")[1]) for name in self.members("certificates/")}
        ):
            if code not in self.known:
                self.say(
                    f"NOT SHOWN: that the key {name} is {code}'s. Ask {code} by another way, and give --known {code}={name}."
                )


def read_statement(content: bytes) -> dict[str, Any]:
    found = STATEMENT.fullmatch(content)
    require(found, "it is no clear-signed statement")
    return dict(json.loads(found[1])) if found else {}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("statements", nargs="*", type=Path)
    parser.add_argument("--certificate", type=Path, help="of the site that a statement is of")
    parser.add_argument("--known", action="append", default=[], metavar="CODE=FINGERPRINT")
    given = parser.parse_args(arguments)
    known: dict[str, set[str]] = {}
    for code, _, fingerprint in (each.replace(" ", "").partition("=") for each in given.known):
        known.setdefault(code, set()).add(fingerprint.upper())
    try:
        if given.certificate is None:
            with given.file.open("rb") as file:
                Evidence(file, known).verify(tuple(path.read_bytes() for path in given.statements))
        else:
            content = given.file.read_bytes()
            body, (signer, _) = read_statement(content), signed(given.certificate.read_bytes(), content)
            require(signer in known.get(body["site"], {signer}), f"the key {signer} is not the one that you know")
            print(
                f"{signer} signed for {body['site']}, {body['day']}: its chain ended with event {body['head']['sequence']}, {body['head']['sha256']}."
            )
    except Exception as error:  # whatever it stumbles over, the file is not what it has to be
        print(f"DOES NOT HOLD: {error if isinstance(error, Doubt) else f'it cannot be read ({error!r})'}.")
        return 1
    print("EVERYTHING HOLDS that can be checked.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
