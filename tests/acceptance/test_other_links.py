"""The desk aid on other links, by its own commands: a partner who has gpg and an sshd and nothing else, and mail servers."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import tomllib
from email.message import EmailMessage
from pathlib import Path

from tests.acceptance.sites import ROOT, Site, claim, make_site, two_sites, wait_until
from tests.fakes.forger import uuid7
from tests.fakes.mail_servers import PASSWORD, MailServers, mail_servers, needs_dovecot
from tests.fakes.sshd_site import current_account
from tests.fakes.sshd_stock import stock_sshd

PAGE = ROOT / "docs" / "operators" / "other-links.md"
LA = "E09000033"


PLAIN, MAIL = re.split(r"(?m)^## By e-mail$", PAGE.read_text("utf-8"))


def commands(section: str) -> list[list[str]]:
    """What the page has people type in a block of its own, in order."""
    blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", section)
    return [shlex.split(line) for kind, block in blocks if not kind for line in block.splitlines()]


class Gpg:
    """The partner: a keyring of its own and the stock program."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self._home = home
        self.run(
            "--quick-gen-key", "City of Westminster <gateway@westminster.example>", "future-default", "default", "1y"
        )
        listed = self.run("--with-colons", "--fingerprint").decode()
        self.fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def run(self, *arguments: str | Path, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self._home), "--batch", "--passphrase", "", *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout

    def decrypt(self, arguments: list[str], directory: Path) -> str:
        """The page's own command; what gpg says of the signature."""
        command = [*arguments[:1], "--homedir", str(self._home), "--batch", *arguments[1:]]
        return subprocess.run(command, cwd=directory, capture_output=True, check=True).stderr.decode()

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=False)


def test_the_desk_aid_on_a_partner_without_a_gateway_does_what_it_says(tmp_path: Path) -> None:
    card, add, test, listed, submit, status, transfers, decrypt = commands(PLAIN)
    dwp = make_site(tmp_path, "DWP")
    dwp.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0)
    gpg = Gpg(tmp_path / "gpg")
    with stock_sshd(tmp_path / "server") as server:
        try:
            # What the partner gives, and what it takes from the card.
            (tmp_path / "westminster.asc").write_bytes(gpg.run("--armor", "--export"))
            ours = json.loads(dwp.gateway(*card[1:]).stdout)
            with (tmp_path / "server" / "authorized_keys").open("a") as keys:
                keys.write(ours["ssh_key"] + "\n")
            gpg.run("--import", stdin=ours["openpgp"].encode())

            given = {
                "westminster.asc": str(tmp_path / "westminster.asc"),
                "3A5F 09C1 ... 77E0": gpg.fingerprint,
                "sftp.westminster.example": "127.0.0.1",
                "22": str(server.port),
                "dwp": current_account(),
                "ssh-ed25519 AAAAC3Nz...": server.host_key.line,
            }
            assert given.keys() <= set(add)
            wrong = [
                "0" * 40 if part == gpg.fingerprint else part for part in (given.get(part, part) for part in add[1:])
            ]
            assert dwp.gateway(*wrong, check=False).returncode == 65, "somebody else's certificate"
            said = dwp.gateway(*(given.get(part, part) for part in add[1:])).stderr
            assert "No receipt will come" in said
            assert re.search(r"(?m)^rename +worked", dwp.gateway(*test[1:]).stdout)
            assert "push, plain" in dwp.gateway(*listed[1:]).stdout

            # Two files of one name: the second goes under a name of its own.
            contents = [claim(number, authority=LA)[1] for number in range(2)]
            (tmp_path / "claims.xml").write_bytes(contents[0])
            dwp.start()
            done = dwp.gateway(*(str(tmp_path / part) if part == "claims.xml" else part for part in submit[1:]))
            assert "nobody confirms that it arrived" in done.stderr
            identity = done.stdout.strip()
            dwp.drop("claim", LA, "claims.xml", contents[1])
            letters = dwp.home.receipts / "claim" / LA
            wait_until(lambda: len(list(letters.iterdir())) == 2, 40, "two letters")
            letter = (letters / "claims.xml.sent.txt").read_text("utf-8")
            assert letter.startswith("claims.xml was sent. Nobody confirms that it arrived.")
            assert hashlib.sha256(contents[0]).hexdigest() in letter
            assert not list(letters.glob("*.receipt.json"))

            # What the partner has, by the page's own command.
            there = server.login / "in"
            assert "Good signature" in gpg.decrypt(decrypt, there)
            assert (there / "claims.xml").read_bytes() == contents[0]
            (second,) = there.glob("claims~*.xml.pgp")
            assert gpg.run("--decrypt", second) == contents[1]

            # What everybody sees.
            assert (
                "2 went to partners without a gateway: nobody confirms that it arrived"
                in dwp.gateway(*status[1:]).stdout
            )
            assert dwp.gateway(*transfers[1:]).stdout.count("unconfirmed") == 2
            told = json.loads(dwp.gateway("show", identity, "--json").stdout)
            assert (told["state"], told["unconfirmed"], told["in_custody"]) == ("sent", True, False)
            assert told["delivered_as"] == "claims.xml.pgp"
            assert "sent to a partner without a gateway" in dwp.gateway("find", identity).stdout
            assert dwp.gateway("retry", identity, "--reason", "once more", check=False).returncode == 64
            dwp.stop()
            dwp.gateway("audit", "verify")
        finally:
            dwp.stop()
            gpg.close()


DWP, TOWER_HAMLETS = "gateway@dwp.example", "gateway@towerhamlets.example"


def _mailbox(site: Site, servers: MailServers, address: str) -> None:
    """What the page has in gateway.toml, with the servers of this test; and the passwords."""
    (block,) = re.findall(r"(?ms)^```toml\n(.*?)^```$", MAIL)
    values = tomllib.loads(block)["mail"] | {"address": address, "submission_user": address, "imap_user": address}
    values |= {"submission_host": "127.0.0.1", "submission_port": servers.smtps_port, "ca_file": str(servers.ca_file)}
    site.edit_config("mail", **values | {"imap_host": "127.0.0.1", "imap_port": servers.imap_port})
    for name in ("submission", "imap"):
        secret = site.home.mail / f"{name}.secret"
        secret.write_text(PASSWORD + "\n", "ascii")
        secret.chmod(0o600)
    site.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0, collect_seconds=0.3)


@needs_dovecot
def test_the_desk_aid_on_e_mail_does_what_it_says(tmp_path: Path) -> None:
    add, check, test = commands(MAIL)
    with two_sites(tmp_path) as (dwp, la), mail_servers(DWP, TOWER_HAMLETS) as servers:
        for site, other, own, there in ((dwp, la, DWP, TOWER_HAMLETS), (la, dwp, TOWER_HAMLETS, DWP)):
            _mailbox(site, servers, own)
            card = tmp_path / f"{other.code}.card.json"
            card.write_text(other.gateway("card").stdout, "utf-8")
            given = {
                "E09000030.card.json": str(card),
                "3A5F 09C1 ... 77E0": json.loads(card.read_text("utf-8"))["fingerprint"],
                "gateway@towerhamlets.example": there,
                "E09000030": other.code,
            }
            for command in (add, check, test):
                said = site.gateway(*(given.get(part, part) for part in command[1:]))
            assert "0 mails of the partner's" in said.stdout
        assert "mail" in dwp.gateway("partner", "list").stdout

        # A stranger writes first, in the authority's name: nothing of it is delivered, and nobody is held up.
        stranger = EmailMessage()
        junk = f"{uuid7()}.pgp"
        stranger["From"], stranger["To"], stranger["Subject"] = TOWER_HAMLETS, DWP, f"Gateway {junk}"
        stranger.set_content("hello")
        stranger.add_attachment(b"junk", maintype="application", subtype="octet-stream", filename=junk)
        servers.put(DWP, stranger.as_bytes())
        # And what DWP sends first is put there twice by a server that is not sure.
        for site in (dwp, la):
            site.start()
        sent = dict(claim(number) for number in range(3))
        for name, content in sent.items():
            dwp.drop("claim", la.code, name, content)
        for name in sent:
            dwp.wait_for(name, "receipted", 60)
        assert la.inbound("claim", "DWP") == sent
        again = next(
            mail
            for mail in servers.taken
            if TOWER_HAMLETS.encode() in mail.split(b"Subject")[0] and b".receipt.pgp" not in mail
        )
        servers.put(TOWER_HAMLETS, again)
        wait_until(lambda: la.events("consignment.repeated"), 30, "the mail that came twice")
        wait_until(lambda: not servers.mails(TOWER_HAMLETS) and not servers.mails(DWP), 30, "empty mailboxes")
        assert la.inbound("claim", "DWP") == sent, "nothing is delivered twice"
        (locked,) = dwp.json("quarantine", "list")
        assert (locked["partner"], f"{locked['consignment']}.pgp") == (la.code, junk)
        assert not any(name.encode() in mail for mail in servers.taken for name in sent), (
            "no name is told to a mail server"
        )
        for site in (dwp, la):
            site.stop()
            site.gateway("audit", "verify")
