"""Errors of what a good envelope holds, archive and manifest: the consignment is locked away."""

from __future__ import annotations

from gateway.errors.quarantine import Quarantine


class ArchiveRefused(Quarantine):
    """What is packed inside is not what the manifest says."""


class ArchiveDamaged(ArchiveRefused):
    """The archive cannot be unpacked."""

    code = "archive-damaged"


class ArchiveMemberUnsafe(ArchiveRefused):
    """The archive holds something else than plain files."""

    code = "archive-member-unsafe"


class ArchiveMemberUnexpected(ArchiveRefused):
    """The archive holds a member under a name that no member may have there."""

    code = "archive-member-unexpected"


class ArchiveMemberRepeated(ArchiveMemberUnexpected):
    """The archive holds two members of one name."""

    code = "archive-member-repeated"


class ArchiveMemberMisplaced(ArchiveMemberUnexpected):
    """The archive's members are not in the manifest's order, or one before the last is missing."""

    code = "archive-member-order"


class ArchiveMemberExtra(ArchiveMemberUnexpected):
    """The archive holds more members than its manifest lists."""

    code = "archive-member-extra"


class ArchiveMemberMissing(ArchiveRefused):
    """The archive lacks a member that the manifest lists."""

    code = "archive-member-missing"


class ArchiveSizeMismatch(ArchiveRefused):
    """A member's size is not the manifest's."""

    code = "archive-size-mismatch"


class ArchiveDigestMismatch(ArchiveRefused):
    """A member's digest is not the manifest's."""

    code = "archive-digest-mismatch"


class ArchiveTooLarge(ArchiveRefused):
    """The archive unpacks to more than the manifest or the limits allow."""

    code = "archive-too-large"


class ManifestRefused(Quarantine):
    """The signed list breaks the acceptance rule."""


class ManifestMalformed(ManifestRefused):
    """The manifest is not of the defined form."""

    code = "manifest-malformed"


class ManifestMissing(ManifestMalformed):
    """The archive does not begin with a manifest."""

    code = "manifest-missing"


class ManifestVersion(ManifestRefused):
    """The manifest is of a version that this gateway does not know."""

    code = "manifest-version"
    remedy = "The partner runs a newer gateway: upgrade this one, then ask them to send again."


class ManifestIdentity(ManifestRefused):
    """The manifest's consignment id is not the file's name."""

    code = "manifest-identity"


class ManifestRecipient(ManifestRefused):
    """The manifest names another recipient: sealed for somebody else, and passed on to us."""

    code = "manifest-recipient"


class ManifestSender(ManifestRefused):
    """The manifest names another sender than the partner it came from."""

    code = "manifest-sender"


class ManifestSigner(ManifestRefused):
    """The manifest names another signing key than the one that signed."""

    code = "manifest-signer"


class ManifestEncryptedTo(ManifestRefused):
    """The manifest names another encryption key than ours."""

    code = "manifest-encrypted-to"


class ManifestFromFuture(ManifestRefused):
    """The manifest was made in the future, by our clock."""

    code = "manifest-future"
    remedy = "Compare both sites' clocks (`gateway doctor`); correct the wrong one, and ask the partner to send again."


class ManifestExpired(ManifestRefused):
    """The consignment came after its expiry."""

    code = "manifest-expired"


class ManifestFlow(ManifestRefused):
    """The manifest carries a flow that this partner may not send us."""

    code = "manifest-flow"


class ManifestItemTooLarge(ManifestRefused):
    """The manifest lists a file larger than its flow allows."""

    code = "manifest-item-too-large"


class ManifestName(ManifestRefused):
    """The manifest gives a file a path for its name."""

    code = "manifest-name"
