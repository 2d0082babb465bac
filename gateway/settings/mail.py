"""`[mail]`: the mailbox of a site whose partners are reached by e-mail. Raises ValueError alone, as `settings.values` has it.

The passwords are in no setting: they are files of their own (`settings.secrets`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.values import KIB, MAIL_ADDRESS, MIB, Port, Table

_Tls = Annotated[Literal["implicit", "starttls"], Field(description='"implicit" or "starttls"')]
_Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9:._-]{0,253}$", description='a host name, in quotes, or ""')]
_LogIn = Annotated[str, Field(pattern=r"^[\x21-\x7e]{0,200}$", description='the name of a log-in, in quotes, or ""')]


class MailSettings(Table):
    """`[mail]`: `address` is ours, as partners have it in `mail_address`; without one, no partner is reached by e-mail.

    `submission_...` is the server that takes our mail (RFC 6409), `imap_...` the one where partners' mail lies (RFC 9051): over TLS
    from the first byte ("implicit") or before anything is said ("starttls"). No message is larger than `max_message_bytes`, as it
    travels: a third more than the sealed file. `ca_file` has the certificates that the servers' have to lead to, in PEM; without
    one, the system's count.
    """

    address: Annotated[
        str, Field(pattern=f"^({MAIL_ADDRESS})?$", description='an e-mail address, in quotes, or ""')
    ] = ""
    submission_host: _Host = ""
    submission_port: Port = 465
    submission_tls: _Tls = "implicit"
    submission_user: _LogIn = ""
    imap_host: _Host = ""
    imap_port: Port = 993
    imap_tls: _Tls = "implicit"
    imap_user: _LogIn = ""
    imap_folder: Annotated[
        str, Field(pattern=r'^[^\x00-\x1f\x7f-\U0010ffff"\\]{1,200}$', description="the name of a folder, in quotes")
    ] = "INBOX"
    max_message_bytes: Annotated[
        int, Field(ge=64 * 1024, le=1024 * MIB, description="a whole number of bytes from 65536 to 1073741824")
    ] = 20 * MIB
    ca_file: Annotated[
        str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,400}$", description='the path of a file, in quotes, or ""')
    ] = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """The settings without which no mail goes or comes."""
        needed = ("address", "submission_host", "submission_user", "imap_host", "imap_user")
        return tuple(name for name in needed if not getattr(self, name))

    @property
    def carries(self) -> int:
        """Bytes of files that one message surely carries: base64 takes a third, and what does not compress grows a little."""
        return (self.max_message_bytes - 8 * KIB) * 72 // 100
