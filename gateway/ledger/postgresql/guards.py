"""What the database itself keeps of the ledger's promises, by triggers: one chain, which only grows, the keys of touched rows, and that a
lane's rows are written by the node that has the lane.

Made from this program's lists of columns, so it is made anew whenever the ledger is brought to a version. The head's row is what
writers lock. Where a batch of events does not go on from it, or somebody changes an event, the statement fails with P0001.
"""

# ruff: noqa: S608 - constants
from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from gateway.domain.ownership import AS_NODE, AS_SITE, OUTSIDE, SITE
from gateway.ledger.chain import GENESIS, RESTORED
from gateway.ledger.commitment import COLUMNS, KEY
from gateway.ledger.integrity import LEAST_PROGRAM
from gateway.ledger.postgresql.errors import FENCED
from gateway.ledger.tables import METADATA

TOUCHED: Final = 'CREATE TEMPORARY TABLE IF NOT EXISTS touched ("table" text, "key" text) ON COMMIT DELETE ROWS'
"""As `ledger.capture` has it, for each connection that writes. A transaction's end forgets what was not read, whichever it is."""

_HEAD: Final = f"""
CREATE TABLE IF NOT EXISTS chain_head (
    one smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1), sequence bigint NOT NULL, sha256 text COLLATE "C" NOT NULL
);
INSERT INTO chain_head (sequence, sha256)
    SELECT coalesce(max(sequence), 0), coalesce((SELECT sha256 FROM events ORDER BY sequence DESC LIMIT 1), '{GENESIS}') FROM events
    ON CONFLICT DO NOTHING;
"""

_LEAST: Final = f"""
CREATE TABLE IF NOT EXISTS least_program (one smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1), schema text COLLATE "C" NOT NULL);
INSERT INTO least_program (schema) VALUES ('{LEAST_PROGRAM}') ON CONFLICT (one) DO UPDATE SET schema = excluded.schema;
"""
"""Which programs may go on while the site is upgraded node by node: an older one cannot know it otherwise."""

_CLOSED: Final = """
CREATE TABLE IF NOT EXISTS ledger_closed (one smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1), why text COLLATE "C" NOT NULL);
"""
"""Why nobody may write any more: a row where that is so (`postgresql.going_on`). Not a column of the head's row, for which a migration would
have to lock the table that writers wait for.
"""

COPYING: Final = "gateway.copying"
"""A setting of the transactions that bring a closed ledger up to the one that it was moved to."""

_CHAIN: Final = f"""
CREATE OR REPLACE FUNCTION chain_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head record;
BEGIN
    SELECT sequence, sha256 INTO STRICT head FROM chain_head FOR UPDATE;
    IF EXISTS (SELECT 1 FROM ledger_closed) AND coalesce(current_setting('{COPYING}', true), '') = '' THEN
        RAISE EXCEPTION 'the ledger is closed' USING CONSTRAINT = 'ledger_closed';
    END IF;
    IF EXISTS (
        SELECT 1 FROM (
            SELECT sequence, previous, event,
                lag(sequence, 1, head.sequence) OVER steps AS before, lag(sha256, 1, head.sha256) OVER steps AS said
            FROM added WINDOW steps AS (ORDER BY sequence)
        ) AS step
        WHERE previous <> said OR NOT (sequence = before + 1 OR (event = '{RESTORED}' AND sequence > before))
    ) THEN
        RAISE EXCEPTION 'the chain goes on from another event' USING CONSTRAINT = 'one_chain';
    END IF;
    UPDATE chain_head AS known SET sequence = last.sequence, sha256 = last.sha256
        FROM (SELECT sequence, sha256 FROM added ORDER BY sequence DESC LIMIT 1) AS last;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION chain_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an event is never changed' USING CONSTRAINT = 'chain_only_grows';
END $$;
CREATE OR REPLACE TRIGGER one_chain AFTER INSERT ON events REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION chain_goes_on();
CREATE OR REPLACE TRIGGER chain_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION chain_only_grows();
"""


_FENCED: Final = ("transfers", "consignments", "receipts", "lanes")
_LOCAL: Final = frozenset({"spool_file", "purge_name"})
"""Columns about files of one node's own directories, which it clears whoever has the lane."""

_FENCE: Final = f"""
CREATE OR REPLACE FUNCTION fence_lane() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    node_here text := current_setting('gateway.node', true);
    act_as text := current_setting('gateway.as', true);
BEGIN
    IF act_as = '{OUTSIDE}' THEN
        RETURN NULL;
    END IF;
    IF coalesce(node_here, '') = '' THEN
        IF EXISTS (SELECT 1 FROM lane_owners) THEN
            RAISE EXCEPTION 'the ledger has nodes, and this writer is none' USING ERRCODE = '{FENCED}';
        END IF;
    ELSIF TG_OP = 'INSERT' OR act_as = '{AS_NODE}' THEN
        PERFORM 1 FROM nodes WHERE name = node_here AND incarnation = current_setting('gateway.incarnation')::bigint
            AND seen + lease > extract(epoch FROM clock_timestamp());
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the node counts as gone' USING ERRCODE = '{FENCED}';
        END IF;
    ELSE
        PERFORM 1 FROM lane_owners WHERE partner = CASE act_as WHEN '{AS_SITE}' THEN '{SITE}' ELSE NEW.partner END
            AND node = node_here AND epoch <= current_setting('gateway.newest')::bigint FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the lane is another node''s' USING ERRCODE = '{FENCED}';
        END IF;
    END IF;
    RETURN NULL;
END $$;
"""
"""Who may write a row of a lane where the site has nodes. A change takes the lane, had before the step began; a new row takes a node that is
there, since only the node's own directories know what is new.
"""


_NOTING: Final = """
DO $$
DECLARE
    each record;
BEGIN
    FOR each IN
        SELECT tgname, tgrelid::regclass AS made_on FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE relnamespace = current_schema()::regnamespace AND (starts_with(proname, 'note_') OR proname = 'fence_lane') AND NOT tgisinternal
    LOOP
        EXECUTE format('DROP TRIGGER %%I ON %%s', each.tgname, each.made_on);
    END LOOP;
END $$
"""


def unmake(connection: Connection) -> None:
    """Remove the triggers that note what is touched: a column that one names could not be changed, and no new one would be in it."""
    connection.exec_driver_sql(_NOTING)


def make(connection: Connection) -> None:
    """Make the head's row, the words about older programs and about a closed ledger, and the triggers, or bring them to this version."""
    connection.exec_driver_sql(
        _HEAD + _LEAST + _CLOSED + _CHAIN + "".join(map(_noting, KEY)) + _FENCE + "".join(map(_fencing, _FENCED))
    )


def _noting(table: str) -> str:
    """The triggers that note which rows of a table are touched: the same as SQLite's in `ledger.capture`."""
    key, columns = KEY[table], ", ".join(f'"{name}"' for name in COLUMNS[table])
    made = f"""
CREATE OR REPLACE FUNCTION note_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pg_temp.touched VALUES (TG_TABLE_NAME, coalesce(OLD."{key}", NEW."{key}"));
    RETURN NULL;
END $$;
"""
    for action in ("INSERT", f"UPDATE OF {columns}", "DELETE"):
        made += (
            f'CREATE OR REPLACE TRIGGER "{table}_{action.split()[0]}" AFTER {action} ON "{table}"'
            f" FOR EACH ROW EXECUTE FUNCTION note_{table}();\n"
        )
    return made


def _fencing(table: str) -> str:
    columns = ", ".join(f'"{column.name}"' for column in METADATA.tables[table].columns if column.name not in _LOCAL)
    return (
        f'CREATE OR REPLACE TRIGGER "{table}_fence" AFTER INSERT OR UPDATE OF {columns} ON "{table}"'
        " FOR EACH ROW EXECUTE FUNCTION fence_lane();\n"
    )
