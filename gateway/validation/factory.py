"""Builds validators from plans; runs in the process that is going to use them.

ConfigurationInvalid is raised where a plan does not fit its validator, or a validator refuses what the plan names.
Each engine is imported only where a plan asks for it, so that a kind costs nothing unless it is used.
"""

# ruff: noqa: PLC0415 - see above
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.errors import ConfigurationInvalid
from gateway.validation.contract import Validator
from gateway.validation.plan import Kind, Plan

MOST_PROCESSES: Final = 4
"""That one extract is read by, each of which may use the memory that a reader may."""


def build(plan: Plan) -> Validator:
    """The validator that the plan describes."""
    arguments: dict[str, Any] = dict(plan.arguments)
    limits: Mapping[str, int] = arguments.pop("limits", {})
    if "schema_root" in arguments:
        arguments["schema_root"] = Path(arguments["schema_root"])
    try:
        match plan.kind:
            case Kind.XML:
                from gateway.validation.xml.codes import XmlLimits
                from gateway.validation.xml.validator import XmlValidator

                return XmlValidator(limits=XmlLimits(**limits), **arguments)
            case Kind.PDF:
                from gateway.validation.pdf.validator import PdfLimits, PdfValidator

                return PdfValidator(limits=PdfLimits(**limits), **arguments)
            case Kind.EXTRACT:
                from gateway.validation.extract.compiled import library
                from gateway.validation.extract.finding_log import ExtractLimits
                from gateway.validation.extract.validator import ExtractValidator

                processors = min(MOST_PROCESSES, len(os.sched_getaffinity(0)))
                bounded = ExtractLimits(**limits)
                return ExtractValidator(limits=bounded, processors=processors, library=library(), **arguments)
            case Kind.REDIRECT:
                return _redirect(**arguments)
            case Kind.ENQUIRY:
                return _enquiry(**arguments)
            case Kind.STATEMENT:
                from gateway.validation.statement import StatementValidator

                return StatementValidator(**arguments)
            case Kind.SHOWN:
                from gateway.validation.showing.renderer import Renderer

                return Renderer(**arguments)
    except TypeError as error:
        raise ConfigurationInvalid(f"a validator of kind {plan.kind} does not take those arguments: {error}") from error


def _redirect(*, schema_root: Path, links: Sequence[str], allow_test_numbers: bool, authorities: str = "") -> Validator:
    from gateway.domain.redirect import FLOW
    from gateway.settings.authorities import extended
    from gateway.validation.carried import BytesValidator
    from gateway.validation.redirect import LIMITS, RedirectValidator
    from gateway.validation.xml.validator import XmlValidator

    def inner(flow: str) -> BytesValidator:
        if flow == "laid":
            from gateway.validation.pdf.validator import PdfValidator

            return PdfValidator(links=links)
        return XmlValidator(schema_root, flow, allow_test_numbers=allow_test_numbers)

    envelope = XmlValidator(schema_root, FLOW, LIMITS, allow_test_numbers=allow_test_numbers)
    return RedirectValidator(envelope, inner, extended(authorities)[0])


def _enquiry(*, schema_root: Path, flow: str, links: Sequence[str], allow_test_numbers: bool) -> Validator:
    from gateway.validation.enquiry import EnquiryValidator
    from gateway.validation.pdf.validator import PdfValidator
    from gateway.validation.redirect import LIMITS
    from gateway.validation.xml.validator import XmlValidator

    envelope = XmlValidator(schema_root, flow, LIMITS, allow_test_numbers=allow_test_numbers)
    return EnquiryValidator(envelope, PdfValidator(links=links))
