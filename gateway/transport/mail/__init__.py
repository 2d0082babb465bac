"""Sealed files as attachments of e-mail: by SMTP submission to a partner, by IMAP from our own mailbox."""
