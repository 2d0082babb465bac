"""The maker of one flow's XML documents: a valid text under its name, or one with a defect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from random import Random

from gateway.sample.contract import Sample
from gateway.sample.xml_defects import XML_DEFECTS, defects_of


@dataclass(frozen=True)
class SampleRequest:
    """What `contract.Sampler.make` is asked for."""

    sender: str
    recipient: str
    index: int
    random: Random
    today: date
    defect: str | None


@dataclass(frozen=True)
class XmlSampler:
    """A `contract.Sampler`; `write` gives a valid document, and every file's name begins with `stem`.

    `version` is one version of the flow's schema that can have defects of its own (`etd/1.1`). `inside` are defects that
    `write` itself puts into what the document carries, each with its code.
    """

    flow: str
    stem: str
    write: Callable[[SampleRequest], str]
    version: str = ""
    inside: Mapping[str, str] = field(default_factory=dict)

    @property
    def defects(self) -> Mapping[str, str]:
        return {**defects_of(self.flow), **defects_of(self.version), **self.inside}

    def make(
        self, *, sender: str, recipient: str, index: int, random: Random, today: date, defect: str | None = None
    ) -> Sample:
        if defect is not None and defect not in self.defects:
            raise KeyError(defect)
        text = self.write(SampleRequest(sender, recipient, index, random, today, defect))
        return self.sample(text, index, today, defect)

    def sample(self, text: str, index: int, today: date, defect: str | None = None) -> Sample:
        """The document under its name, spoilt where that is left to do."""
        name = f"{self.stem}-{today:%Y%m%d}-{index:05d}"
        if defect is None:
            return Sample(f"{name}.xml", text.encode(), None)
        content = text.encode() if defect in self.inside else XML_DEFECTS[defect].spoil(text, today)
        return Sample(f"{name}-{defect}.xml", content, defect)
