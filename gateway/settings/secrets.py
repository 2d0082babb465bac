"""Where a site's secrets lie, and whether they are closed: files of mode 0600, or systemd's credentials.

systemd hands a service copies of secrets in a directory that it names in CREDENTIALS_DIRECTORY (LoadCredential= in the
unit): memory, readable by that service alone. A credential named `client_key` or `host_key` takes the place of the file
of that name in state/ssh, one named `submission.secret` or `imap.secret` of that in
state/mail, one named `triage.secret` of that in state/triage, one named `s3.secret` of that in state/payloads, one named `identity-provider.secret` of that in state/console, and one named `CHANNEL.secret` of that in state/notify. The OpenPGP keys stay in state/keyrings: gpg-agent wants a directory that it may write in.

`insist` raises SecretExposed; the rest raises nothing, and touches no secret's content.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import SecretExposed
from gateway.settings.home import Home

_OTHERS: Final = 0o077


@dataclass(frozen=True)
class Secrets:
    """The secrets of one site, as this process gets at them."""

    home: Home
    credentials: Path | None = None

    @property
    def client_key(self) -> Path:
        return self._given(self.home.client_key)

    @property
    def host_key(self) -> Path:
        return self._given(self.home.host_key)

    @property
    def old_client_key(self) -> Path:
        return self._given(self.home.old_client_key)

    @property
    def old_host_key(self) -> Path:
        return self._given(self.home.old_host_key)

    def of_channel(self, channel: str) -> Path:
        """The password or signing secret of a channel of `[notify]`, on one line."""
        return self._given(self.home.notify / f"{channel}.secret")

    @property
    def submission(self) -> Path:
        """The password of `[mail] submission_user`, on one line."""
        return self._given(self.home.mail / "submission.secret")

    @property
    def imap(self) -> Path:
        """The password of `[mail] imap_user`, on one line."""
        return self._given(self.home.mail / "imap.secret")

    @property
    def triage(self) -> Path:
        """The key of what triage remembers, 64 hex digits."""
        return self._given(self.home.triage / "triage.secret")

    @property
    def s3(self) -> Path:
        """The access key of `[payloads] url` on its first line, and its secret on the second."""
        return self._given(self.home.payloads / "s3.secret")

    @property
    def identity_provider(self) -> Path:
        """The secret by which the console is a client of `[console.identity_provider]`, on one line."""
        return self._given(self.home.console / "identity-provider.secret")

    @property
    def openpgp(self) -> tuple[Path, ...]:
        """The directories in which the secret OpenPGP keys lie, and the keys."""
        own = self.home.keyrings / "own"
        private = own / "private-keys-v1.d"
        return (self.home.keyrings, own, private, *sorted(private.glob("*.key")))

    def _given(self, path: Path) -> Path:
        if self.credentials is None:
            return path
        given = self.credentials / path.name
        return given if given.is_file() else path

    def exposed(self, paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
        """Those of the paths that others can read or change, and how it is; what is missing is not looked at here.

        Credentials are not judged: systemd opens them to the service by an access list, which a mode does not show.
        """
        for path in paths:
            if self.credentials is not None and path.parent == self.credentials:
                continue
            try:
                about = path.stat()
            except OSError:
                continue
            if about.st_mode & _OTHERS:
                yield path, f"its mode is {stat.S_IMODE(about.st_mode):04o}"
            elif os.geteuid() not in (0, about.st_uid):
                yield path, "it belongs to another account"

    def insist(self, paths: Iterable[Path]) -> None:
        """SecretExposed, naming each of these secrets that is not closed."""
        open_ones = [
            f"{path.relative_to(self.home.root) if path.is_relative_to(self.home.root) else path}: {how}"
            for path, how in self.exposed(paths)
        ]
        if open_ones:
            raise SecretExposed("; ".join(open_ones))


def secrets_of(home: Home, environment: Mapping[str, str]) -> Secrets:
    """The secrets of the site, with systemd's credentials where the environment names them."""
    named = environment.get("CREDENTIALS_DIRECTORY", "")
    return Secrets(home, Path(named) if named.startswith("/") else None)
