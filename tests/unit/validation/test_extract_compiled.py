"""Compiled code accepts no row that the rules in Python refuse, nearly all that they accept, and stays within its bytes."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sample.extract import ExtractSampler
from gateway.validation.extract import compiled
from gateway.validation.extract.automaton import automata
from gateway.validation.extract.compiled import SOURCE, RowReader, Shape, library
from gateway.validation.extract.fields import field_fault, field_pattern
from gateway.validation.extract.layout import RECORD_TYPES, Kind, Variant, load_layouts
from gateway.validation.extract.rows import RowRules
from gateway.validation.extract.validator import ExtractValidator
from gateway.validation.nino_prefixes import load_prefixes
from tests.examples import examples

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "schemas"
VARIANTS = load_layouts(SCHEMAS).variants
PREFIXES = load_prefixes(SCHEMAS).in_flow("extract", allow_test_numbers=True)
LIBRARY = library()
needs_library = pytest.mark.skipif(
    LIBRARY is None, reason="not compiled: `make setup` does where there is a C compiler"
)
FIELDS = [field for field in VARIANTS[-1].fields[1:] if field.kind is not Kind.TEXT or field.number in (2, 3, 320)]
PATTERNS = {field_pattern(field, PREFIXES): field for field in FIELDS}
ODD = (
    *(b"", b" ", b"  ", b'"', b'""', b'","', b",", b"\r", b"\n", b"\0", b"\x1a", b"\x7f", b"\x80", "£".encode()),
    *(b"31/02/2020", b"29/02/2100", b"29/02/2000", b"01/01/1879", b"31/12/2099", b"01/01/2100", b"1/1/2020"),
    *(b"QQ123456C", b"QQ123456", b"XX999", b"XX9991234", b"BG123456A", b"SW1A 1AA", b"SW1A1AA", b"ZZ99 3VZ", b"BFPO 1"),
    *(b"-", b"-1", b"+1", b"1.5", b"1.555", b"12345678901", b"-1234567890", b"x" * 40, b"x" * 41, b"D", b"G", b"Z"),
)


def sample(seed: int, columns: int) -> list[bytes]:
    """The rows of a sample behind its first."""
    made = ExtractSampler(SCHEMAS, rows=60, columns=columns).make(
        sender="9991", recipient="DWP", index=0, random=random.Random(seed), today=date(2026, 11, 21)
    )
    return made.content.splitlines(keepends=True)[1:]


SAMPLES = {len(variant.fields): sample(1, len(variant.fields)) for variant in VARIANTS}


def quoted(line: bytes) -> bytes:
    body = line.rstrip(b"\r\n")
    return b",".join(b'"%b"' % value for value in body.split(b",")) + line[len(body) :]


def some(rows: list[bytes], chance: random.Random) -> list[bytes]:
    """Rows that follow each other, so that several belong to one claim, each altered."""
    start = chance.randrange(len(rows))
    return [altered(line, chance) for line in rows[start : start + 4]]


def altered(line: bytes, chance: random.Random) -> bytes:
    """The row with up to three changes: of values, digits, bytes, quotation, columns; most where something stands."""
    body = line.rstrip(b"\r\n")
    end = line[len(body) :]
    for _ in range(chance.randint(0, 3)):
        values = body.split(b",")
        filled = [place for place, value in enumerate(values) if value]
        at = chance.choice([*filled, chance.randrange(len(values))])
        match chance.randrange(11):
            case 0:
                values[at] = chance.choice(ODD)
            case 1:
                values[at] = b'"%b"' % values[at]
            case 2:
                values[at] += chance.randbytes(chance.randint(1, 3))
            case 3:
                del values[at]
            case 4:
                values[at] = values[chance.choice([at, *filled])]
            case 5 | 6:
                values[at] = bytes(chance.choice(b"0123456789") if 48 <= byte <= 57 else byte for byte in values[at])
            case 7:
                values[1 : chance.randint(2, 3)] = [b""] * chance.randint(1, 2)
            case 8:
                values[0] = chance.choice([b'"D', b'"D"', b'D"', b"DD", b"d", b"G"])
            case 9:
                values = [b",".join(values)[: chance.randint(0, len(body))]]
            case _:
                end = chance.choice([b"", b"\n", b"\r\n", b"\r", b"\r\r\n", b",\n"])
        body = b",".join(values)
    return (quoted(body) if chance.random() < 0.2 else body) + end


def accepted(rules: RowRules, content: bytes) -> int:
    """How many rows were passed over; each is right by the rules in Python, and its record is the one handed back, if any is."""
    assert rules.read is not None
    run = rules.read(content, 0, len(content), 64 * 1024, 1_000_000)
    lines = content[: run.stopped].split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == run.rows == sum(count for _, count in run.counts)
    reported = {row: (kind, bounds) for row, kind, *bounds in run.reported}
    opened: tuple[bytes, bytes] | None = None
    for number, line in enumerate(lines):
        record, faults = rules.explain(line + b"\n")
        assert not faults
        assert record is not None
        if number in reported:
            kind, bounds = reported[number]
            values = [content[bounds[at] : bounds[at + 1]] for at in range(0, len(bounds), 2)]
            assert (RECORD_TYPES[kind], *values[:3]) == record
            fields = rules.fields(line, (316, 317, 318)) if record.kind == "R" else ("", "", "")
            assert tuple(value.decode() for value in values[3:]) == fields
        else:
            # It adds nothing to the claim before it: that one has the same references.
            assert record.kind == "G" or ((record.housing, record.council_tax) == opened and not record.change)
        if record.kind in "DAC":
            opened = record.housing, record.council_tax
    return int(run.rows)


@needs_library
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: str(len(variant.fields)))
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("every_field_quoted", [False, True])
def test_right_rows_are_passed_over_in_one_run(variant: Variant, end: bytes, every_field_quoted: bool) -> None:  # noqa: FBT001
    rules = RowRules(variant, PREFIXES, LIBRARY)
    lines = [line.rstrip(b"\r\n") + end for line in SAMPLES[rules.width]]
    content = b"".join(map(quoted, lines) if every_field_quoted else lines)
    assert accepted(rules, content) == len(lines)


@needs_library
@given(chance=st.randoms(use_true_random=False), wide=st.booleans())
@examples(1000)
def test_what_is_passed_over_is_right_by_the_rules_in_python(chance: random.Random, wide: bool) -> None:  # noqa: FBT001
    rules = RULES[wide]
    accepted(rules, b"".join(some(SAMPLES[rules.width], chance)))


RULES = [RowRules(variant, PREFIXES, LIBRARY) for variant in VARIANTS]


@given(pattern=st.sampled_from(sorted(PATTERNS)), optional=st.booleans(), data=st.data())
@examples(1500)
def test_an_automaton_accepts_what_its_pattern_accepts(pattern: bytes, optional: bool, data: st.DataObject) -> None:  # noqa: FBT001
    """Values like those that the pattern has, changed in a place, and whatever else."""
    likely = st.from_regex(re.compile(pattern.replace(b"}+", b"}").replace(b"*+", b"*")), fullmatch=True)
    value = data.draw(likely | st.sampled_from(ODD) | st.binary(max_size=12))
    if value and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(value) - 1))
        value = value[:at] + data.draw(st.binary(max_size=1)) + value[at + 1 :]
    table = automata([(pattern, optional)], b',"\r\n')
    state = table.starts[0]
    for byte in value:
        state = table.next[state + table.classes[byte]] if table.classes[byte] else 0
    right = bool(table.next[state])
    assert right == (re.fullmatch(pattern, value) is not None or (optional and not value))
    if right and value:
        assert field_fault(PATTERNS[pattern], value.decode(), PREFIXES) is None


@pytest.mark.parametrize("pattern", [b"(a)", b"a(?=b)", b"a)", b"*a", b".", b"^a", b"(?:a", rb"\d"])
def test_a_pattern_that_is_not_understood_makes_no_automaton(pattern: bytes) -> None:
    with pytest.raises(ValueError, match="a "):
        automata([(pattern, False)], b",")


def test_a_value_cannot_hold_what_ends_it() -> None:
    with pytest.raises(ValueError, match="ends it"):
        automata([(b"[a,]", False)], b",")


@needs_library
def test_limits_of_rows_bytes_and_room_are_kept() -> None:
    rules = RULES[-1]
    assert rules.read is not None
    lines = SAMPLES[rules.width]
    content = b"".join(lines)
    assert rules.read(content, 0, len(content), 64 * 1024, 7).rows == 7
    assert rules.read(content, 0, len(content), len(lines[0]) - 1, 100).rows == 0
    assert rules.read(content, 0, len(lines[0]), 64 * 1024, 100).rows == 1
    assert rules.read(content, 0, len(lines[0]) - 1, 64 * 1024, 100).rows == 0
    assert rules.read(content, 9, 3, 64 * 1024, 100).stopped == 9
    start = len(lines[0])
    assert rules.read(content, start, len(content) + 99, 64 * 1024, 100_000).rows == len(lines) - 1
    many = lines[1] * 5000
    assert rules.read(many, 0, len(many), 64 * 1024, 100_000).rows == 4096


@needs_library
def test_compiled_code_takes_less_than_half_the_time(tmp_path: Path) -> None:
    """Of processor time, for all that a reader does with right rows; it takes a sixth where nothing disturbs it."""
    path = tmp_path / "extract.csv"
    with path.open("wb") as file:
        ExtractSampler(SCHEMAS).write(file, 3000, random=random.Random(3), today=date(2026, 11, 21))

    def seconds(validator: ExtractValidator) -> float:
        took = []
        for _ in range(4):  # the first makes the tables and patterns
            before = time.process_time()
            assert validator.validate(path).valid
            took.append(time.process_time() - before)
        return min(took)

    plain, quick = (ExtractValidator(SCHEMAS, allow_test_numbers=True, library=each) for each in (None, LIBRARY))
    assert seconds(quick) < seconds(plain) / 2


@needs_library
def test_tables_that_lead_out_of_themselves_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LIBRARY is not None
    shape = Shape("D", [(b"a", True)], [0], [], opens=True, needs_reference=True, adds_nothing=False)
    RowReader(LIBRARY, [shape])
    right = automata([(b"a", True)], b',"\r\n')
    for wrong in (
        right._replace(next=[*right.next[:-1], len(right.next)]),
        right._replace(next=[*right.next[:-1], 1]),
        right._replace(width=right.width + 1),
        right._replace(starts=[len(right.next)]),
        right._replace(classes=b"\1" * 256),
        right._replace(classes=bytes(byte and right.width for byte in right.classes)),
    ):
        monkeypatch.setattr(compiled, "automata", lambda *_, wrong=wrong: wrong)
        with pytest.raises((ValueError, IndexError)):
            RowReader(LIBRARY, [shape])


def test_a_library_of_another_source_is_not_used(tmp_path: Path) -> None:
    assert library(tmp_path / "absent.so") is None
    (tmp_path / "wrong.so").write_bytes(b"no library")
    with_digest(tmp_path / "wrong.so")
    assert library(tmp_path / "wrong.so") is None
    if LIBRARY is not None and (compiler := shutil.which("cc")) is not None:
        other = tmp_path / "other.so"
        subprocess.run([compiler, "-shared", "-fPIC", '-DSOURCE="\\xff"', "-o", str(other), str(SOURCE)], check=True)
        with_digest(other)
        assert library(other) is None


@needs_library
@pytest.mark.parametrize("damage", ["cut", "zeroed", "empty", "no digest", "odd digest", "other symbols", "none"])
def test_a_library_that_is_not_whole_ends_nobody(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "rows.so"
    content = compiled.LIBRARY.read_bytes()
    path.write_bytes(
        content.replace(b"tables_are_sound", b"tables_are_sOUND") if damage == "other symbols" else content
    )
    digest = with_digest(path)
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "zeroed":
        path.write_bytes(content[:4096].ljust(len(content), b"\0"))
    elif damage == "empty":
        path.write_bytes(b"")
        digest.write_bytes(b"")
    elif damage == "no digest":
        digest.unlink()
    elif damage == "odd digest":
        digest.write_bytes(b"\xff\0")
    script = "import sys, pathlib; from gateway.validation.extract.compiled import library; print(library(pathlib.Path(sys.argv[1])) is None)"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (0, f"{damage != 'none'}\n"), done.stderr


def with_digest(path: Path) -> Path:
    """Put the digest of a library beside it."""
    digest = path.with_name(f"{path.name}.sha256")
    digest.write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    return digest


def test_without_a_compiler_nothing_fails(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        f"import compile_rows as c, pathlib as p; print(c.compile_rows(p.Path({str(ROOT)!r}), p.Path({str(tmp_path / 'x.so')!r})))",
    ]
    done = subprocess.run(
        command,
        env={"PYTHONPATH": str(ROOT / "tools"), "CC": "/absent/cc", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
    assert "extracts will be read by Python" in done.stderr
    assert not list(tmp_path.iterdir())


def _runtime(compiler: str, name: str) -> Path:
    """Where the compiler keeps that library of its own; a name without a directory where it has none."""
    told = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return Path(told.stdout.strip())


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.torture)])
def test_sanitizers_find_nothing(tmp_path: Path, count: int) -> None:
    """Rows altered in all ways, each at the end of its memory, read by a library that reports what it may not touch."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    runtimes = [_runtime(compiler, name) for name in ("libasan.so", "libubsan.so")]
    if not all(runtime.is_absolute() for runtime in runtimes):
        pytest.skip("the compiler has no sanitizers")
    made = tmp_path / "rows.so"
    environment = {
        **os.environ,
        "CFLAGS": "-g -fsanitize=address,undefined -fno-sanitize-recover=all",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tools'}",
    }
    build = (
        f"import compile_rows as c, pathlib as p; assert c.compile_rows(p.Path({str(ROOT)!r}), p.Path({str(made)!r}))"
    )
    subprocess.run([sys.executable, "-c", build], check=True, env=environment)
    # Python's own allocator would put several values into one piece of memory.
    environment |= {
        "LD_PRELOAD": ":".join(map(str, runtimes)),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.sanitized_rows", str(made), str(count)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-3000:]
    assert re.fullmatch(r"[0-9]+ rows, [1-9][0-9]+ passed over\n", done.stdout), done.stdout
