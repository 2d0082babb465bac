"""The SFTP client: sealed files to and from a partner's server, over paramiko."""
