"""From bytes to a tree: refuses what a plain XML document of ours never needs, before and while it is parsed.

Raises DiskFailed where the file cannot be read, and nothing for what a file can hold: the answer is a tree or one finding.

Why it is safe. lxml with every strict option still takes a DOCTYPE, UTF-7 and an element with 200,000 attributes. So a few
passes of C code look at the bytes first: only UTF-8 (see `encoding`), no `<!` but comments and CDATA, no `<?` but the
declaration, no run between two `<` longer than the limit, no more `<` than the limit. Without a DOCTYPE there are no entities
to expand and nothing to fetch; the parser has no network and gets bytes, never a name to open. Text that looks like a DOCTYPE
or an instruction inside a comment or CDATA is refused too: nobody needs it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, cast

from lxml import etree

from gateway.errors import DiskFailed
from gateway.validation.contract import Finding
from gateway.validation.xml.codes import Complaint, XmlCode, XmlLimits
from gateway.validation.xml.encoding import (
    Fault,
    after_declaration,
    declaration_fault,
    encoding_fault,
    invalid_character,
)

_MARKUP_DECLARATION: Final = re.compile(rb"<!(?!--|\[CDATA\[)")
_COMPRESSED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")

_PARSER_LIMITS: Final = frozenset({"ERR_RESOURCE_LIMIT", "ERR_NAME_TOO_LONG", "ERR_INTERNAL_ERROR"})


class XmlGuard:
    """Reads documents within limits. Holds compiled expressions only, so one object serves any number of files."""

    def __init__(self, limits: XmlLimits) -> None:
        self._limits = limits
        self._long_run = re.compile(rb"<[^<]{%d}" % limits.run)
        self._too_deep = etree.XPath("boolean(" + "/*" * (limits.depth + 1) + ")")
        self._too_many_attributes = etree.XPath(f"boolean(//@*[{limits.attributes + 1}])")

    def bytes_of(self, path: Path) -> bytes:
        """What a file holds, cut one byte behind the limit, which `read` refuses. DiskFailed where it cannot be read."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                size = min(os.fstat(descriptor).st_size, self._limits.size)
                content = os.read(descriptor, size + 1)
                while len(content) < size and (more := os.read(descriptor, size + 1 - len(content))):
                    content += more
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DiskFailed(f"a file to be validated cannot be read: {error.strerror}") from error
        return content

    def read(self, content: bytes) -> etree._Element | Finding:
        """The root of the tree, without comments; or the one reason why there is none."""
        root = self.parse(content)
        return root if isinstance(root, Finding) else self.shape_fault(root) or root

    def parse(self, content: bytes) -> etree._Element | Finding:
        """The same for a caller that asks for `shape_fault` by itself, or knows that there is none."""
        return self._refusal(content) or self._parse(content)

    def shape_fault(self, root: etree._Element) -> Finding | None:
        """Whether elements are nested too deep, or one has too many attributes."""
        if self._too_deep(root):
            return _whole(XmlCode.TOO_DEEP, f"elements are nested more than {self._limits.depth} deep")
        if self._too_many_attributes(root):
            message = f"an element has more than {self._limits.attributes} attributes"
            return _whole(XmlCode.TOO_MANY_ATTRIBUTES, message)
        return None

    def _refusal(self, content: bytes) -> Finding | None:
        limits = self._limits
        if not content or content.isspace():
            return _whole(XmlCode.EMPTY, "the file is empty")
        if len(content) > limits.size:
            return _whole(XmlCode.TOO_LARGE, f"the file is larger than {limits.size} bytes")
        if content.startswith(_COMPRESSED):
            return _whole(XmlCode.COMPRESSED, "the file is compressed; it must be plain XML")
        if fault := encoding_fault(content):
            return _finding(content, fault)
        # A single character is found in no time, and hardly any document has these: only then the rest of it is looked for.
        if b"!" in content and (found := _MARKUP_DECLARATION.search(content)):
            return _at(content, found.start(), XmlCode.DOCTYPE, "the file has a document type declaration (DOCTYPE)")
        begun = after_declaration(content)
        if content.find(b"?", begun) >= 0 and (start := content.find(b"<?", begun)) >= 0:
            if fault := declaration_fault(content, start):
                return _finding(content, fault)
            return _at(content, start, XmlCode.INSTRUCTION, "the file has a processing instruction")
        if len(content) > limits.nodes and content.count(b"<") > limits.nodes:
            return _whole(XmlCode.TOO_MANY_NODES, f"the file has more than {limits.nodes} tags")
        if found := self._long_run.search(content):
            message = f"a tag or a text is longer than {limits.run} bytes"
            return _at(content, found.start(), XmlCode.TEXT_TOO_LONG, message)
        return None

    def _parse(self, content: bytes) -> etree._Element | Finding:
        try:
            root = etree.fromstring(content, parser=_parser())
        except etree.XMLSyntaxError as error:
            return _syntax_finding(error, content)
        if root.getroottree().docinfo.internalDTD is not None:
            return _whole(XmlCode.DOCTYPE, "the file has a document type declaration (DOCTYPE)")
        return root


def _parser() -> etree.XMLParser:
    """A parser for one document: parsers are cheap, and one that met an error is not used again."""
    return etree.XMLParser(
        encoding="UTF-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
        collect_ids=False,
    )


def _finding(content: bytes, fault: Fault) -> Finding:
    if fault.offset is None:
        return _whole(fault.code, fault.message)
    return _at(content, fault.offset, fault.code, fault.message)


def _whole(code: XmlCode, message: str) -> Finding:
    return Finding(code.value, "the whole file", _sentence(message))


def _at(content: bytes, offset: int, code: XmlCode, message: str) -> Finding:
    line = content.count(b"\n", 0, offset) + 1
    return Finding(code.value, f"line {line}", _sentence(message))


def _sentence(message: str) -> str:
    return message[0].upper() + message[1:] + "."


def _syntax_finding(error: etree.XMLSyntaxError, content: bytes) -> Finding:
    """The parser's own words quote the document, so only its line and the kind of its error are used."""
    where = f"line {error.lineno}" if error.lineno else "the whole file"
    kinds = [entry.type_name for entry in cast("Iterable[Complaint]", error.error_log)]
    kind = kinds[-1] if kinds else ""
    if kind == "ERR_NO_MEMORY":
        raise MemoryError from error  # this process is at its limit, which says nothing about the file's form
    if kind in _PARSER_LIMITS:
        return Finding(
            XmlCode.TOO_DEEP.value, where, "The file is nested too deep, or has names or texts too long to read."
        )
    if kind == "ERR_INVALID_CHAR" and (name := invalid_character(content)) is not None:
        return Finding(XmlCode.NOT_WELLFORMED.value, where, f"{name} stands in the file, which XML does not allow.")
    message = _SYNTAX.get(kind, "The file is not well-formed XML; it may be cut short or damaged.")
    return Finding(XmlCode.NOT_WELLFORMED.value, where, message)


_SYNTAX: Final = {
    "ERR_TAG_NAME_MISMATCH": "A closing tag does not fit the element that is open.",
    "ERR_TAG_NOT_FINISHED": "The file ends in the middle of an element; it may be cut short.",
    "ERR_DOCUMENT_EMPTY": "The file does not begin with an element: something else stands there, or it is no XML.",
    "ERR_DOCUMENT_END": "Something follows the end of the document.",
    "ERR_ATTRIBUTE_REDEFINED": "An element has the same attribute twice.",
    "ERR_UNDECLARED_ENTITY": "An entity is used that XML does not have.",
    "ERR_INVALID_CHAR": "The file has a character that XML does not allow.",
    "NS_ERR_UNDEFINED_NAMESPACE": "A prefix is used that stands for no namespace.",
}
