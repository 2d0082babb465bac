"""What somebody may do to a file of evidence: every kind of change, drawn at random, in the container or around it.

An attacker has the file, other files of the same site, and no key; a dishonest site has its own key too, and signs again.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Members = list[tuple[str, bytes]]
MANIFEST, SIGNATURE = "manifest.json", "(comment)"
"""The comment of the ZIP, which is a signature over all of it, goes as a last member."""


def members_of(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [*((name, archive.read(name)) for name in archive.namelist()), (SIGNATURE, archive.comment)]


def packed(members: Members) -> bytes:
    """The members in a container as the gateway makes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = dict(members).get(SIGNATURE, b"")[:65_535]
        for name, content in members:
            if name == SIGNATURE:
                continue
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, 0o100644 << 16
            with archive.open(member, "w") as file:
                file.write(content)
    return out.getvalue()


def signed_again(members: Members, home: Path, key: str) -> Members:
    """Signed by a key in a GnuPG home: what a site does that lies."""
    unsigned = packed([(name, content) for name, content in members if name != SIGNATURE])
    message = f"evidence {hashlib.sha256(unsigned[:-2]).hexdigest()}".encode()
    command = [
        "gpg",
        "--homedir",
        str(home),
        "--batch",
        "--digest-algo",
        "SHA256",
        "--local-user",
        key,
        "--detach-sign",
    ]
    signature = subprocess.run(command, input=message, capture_output=True, check=True).stdout
    return [(name, signature if name == SIGNATURE else content) for name, content in members]


def flipped(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]


def _some(members: Members, draw: random.Random, *, but: tuple[str, ...] = ()) -> int:
    return draw.choice([at for at, (name, content) in enumerate(members) if content and not name.endswith(but)])


def flip_in_member(members: Members, draw: random.Random, _others: Members) -> Members:
    at = _some(members, draw)
    members[at] = (members[at][0], flipped(members[at][1], draw))
    return members


def change_value(members: Members, draw: random.Random, _others: Members) -> Members:
    """Another value somewhere in JSON, in the manifest or in one line of the rows or events."""
    at = _some(members, draw, but=(SIGNATURE, ".pgp", ".signed", ".asc", ".txt", ".pdf"))
    name, content = members[at]
    if name == MANIFEST:
        members[at] = (name, json.dumps(_changed(json.loads(content), draw), indent=2, sort_keys=True).encode())
        return members
    lines = content.splitlines()
    which = draw.randrange(len(lines))
    lines[which] = json.dumps(
        _changed(json.loads(lines[which]), draw), ensure_ascii=False, separators=(",", ":")
    ).encode()
    members[at] = (name, b"\n".join(lines) + b"\n")
    return members


def _changed(value: Any, draw: random.Random) -> Any:
    """The same document with one leaf changed."""
    if isinstance(value, dict) and value:
        key = draw.choice(sorted(value))
        return value | {key: _changed(value[key], draw)}
    if isinstance(value, list) and value:
        at = draw.randrange(len(value))
        return [*value[:at], _changed(value[at], draw), *value[at + 1 :]]
    if isinstance(value, str) and value:
        at = draw.randrange(len(value))
        return value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "added"
    return value + 1


def remove_member(members: Members, draw: random.Random, _others: Members) -> Members:
    del members[draw.randrange(len(members))]
    return members


def swap_contents(members: Members, draw: random.Random, _others: Members) -> Members:
    one, two = draw.sample(range(len(members)), 2)
    (first, content), (second, other) = members[one], members[two]
    members[one], members[two] = (first, other), (second, content)
    return members


def swap_places(members: Members, draw: random.Random, _others: Members) -> Members:
    one, two = draw.sample(range(len(members)), 2)
    members[one], members[two] = members[two], members[one]
    return members


def add_member(members: Members, draw: random.Random, _others: Members) -> Members:
    name, content = draw.choice(members)
    members.insert(draw.randrange(len(members)), (f"{name}.{draw.randrange(100)}", content))
    return members


def reorder_lines(members: Members, draw: random.Random, _others: Members) -> Members:
    """Events or rows in another order, one of them twice, or one of them gone."""
    at = draw.choice([at for at, (name, _) in enumerate(members) if name.endswith(".jsonl")])
    lines = members[at][1].splitlines(keepends=True)
    which = draw.randrange(len(lines))
    match draw.randrange(3):
        case 0:
            lines.insert(draw.randrange(len(lines)), lines.pop(which))
        case 1:
            lines.insert(which, lines[which])
        case 2:
            del lines[which]
    members[at] = (members[at][0], b"".join(lines))
    return members


def swap_between_files(members: Members, draw: random.Random, others: Members) -> Members:
    """A member of another file of evidence, of the same kind: its receipt, its rows, its events, its manifest."""
    at = _some(members, draw)
    name = members[at][0]
    kind = name.rpartition(".")[2]
    same = [
        content
        for other, content in others
        if other.rpartition(".")[2] == kind and other.split("/")[0] == name.split("/")[0]
    ]
    if same:
        members[at] = (name, draw.choice(same))
    return members


Change = Callable[[Members, random.Random, Members], Members]
CHANGES: tuple[Change, ...] = (
    flip_in_member,
    flip_in_member,
    change_value,
    change_value,
    remove_member,
    swap_contents,
    swap_places,
    add_member,
    reorder_lines,
    swap_between_files,
)


def mutated(content: bytes, other: bytes, draw: random.Random) -> tuple[str, bytes]:
    """What was done, and the file after it; never the same file."""
    while True:
        what, found = _mutated(content, other, draw)
        if found != content:
            return what, found


def _mutated(content: bytes, other: bytes, draw: random.Random) -> tuple[str, bytes]:
    if draw.random() < 0.2:
        match draw.randrange(3):
            case 0:
                return "flip a bit of the file", flipped(content, draw)
            case 1:
                return "cut the file", content[: draw.randrange(len(content))]
            case _:
                return "append", content + draw.randbytes(draw.randrange(1, 9))
    change = draw.choice(CHANGES)
    return change.__name__, packed(change(members_of(content), draw, members_of(other)))
