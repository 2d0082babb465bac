"""The managed SFTP server: a private OpenSSH sshd, confined to the landing directories."""
