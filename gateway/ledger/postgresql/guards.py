"""What the database itself keeps of the ledger's promises, by triggers: one chain, which only grows, and the keys of touched rows.

Made from this program's lists of columns, so it is made anew whenever the ledger is brought to a version. The head's row is what
writers lock. Where a batch of events does not go on from it, or somebody changes an event, the statement fails with P0001.
"""

# ruff: noqa: S608 - constants
from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from gateway.ledger.chain import GENESIS, RESTORED
from gateway.ledger.commitment import COLUMNS, KEY

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

_CHAIN: Final = f"""
CREATE OR REPLACE FUNCTION chain_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head record;
BEGIN
    SELECT sequence, sha256 INTO STRICT head FROM chain_head FOR UPDATE;
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


_NOTING: Final = """
DO $$
DECLARE
    each record;
BEGIN
    FOR each IN
        SELECT tgname, tgrelid::regclass AS made_on FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE relnamespace = current_schema()::regnamespace AND starts_with(proname, 'note_') AND NOT tgisinternal
    LOOP
        EXECUTE format('DROP TRIGGER %%I ON %%s', each.tgname, each.made_on);
    END LOOP;
END $$
"""


def unmake(connection: Connection) -> None:
    """Remove the triggers that note what is touched: a column that one names could not be changed, and no new one would be in it."""
    connection.exec_driver_sql(_NOTING)


def make(connection: Connection) -> None:
    """Make the head's row and the triggers, or bring them to this version."""
    connection.exec_driver_sql(_HEAD + _CHAIN + "".join(map(_noting, KEY)))


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
