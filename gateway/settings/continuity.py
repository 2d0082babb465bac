"""`[continuity]`: whom to tell, in this order, when business continuity is invoked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.settings.values import Line, Table


class ContinuitySettings(Table):
    """`[continuity]`: `tell` are roles with their telephone numbers, as `gateway continuity invoke` prints them, in the order in which
    they are told.
    """

    tell: Annotated[
        tuple[Line, ...],
        Field(strict=False, max_length=50, description="a list of at most 50 lines of text, each in quotes"),
    ] = ()
