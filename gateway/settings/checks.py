"""`[checks]`: how many openings of payloads draw a management check, and how many decided checks are looked at once more. A site may
check more than the guide of the field asks for, and not less. Raises ValueError alone, as `settings.values` has it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.settings.values import Table


def _at_least(percent: float) -> object:
    return Field(ge=percent, le=100, allow_inf_nan=False, description=f"a percentage from {percent:g} to 100")


class ChecksSettings(Table):
    """`[checks]`: `random_percent` of all openings draw a check, one in `deceased_one_in` of those of a death more than 12 months ago.
    Of the decided checks of a quarter the support team looks at `support_percent`, and the site's managers at `validation_percent`.
    """

    random_percent: Annotated[float, _at_least(1)] = 1.0
    deceased_one_in: Annotated[int, Field(ge=1, le=3, description="a whole number from 1 to 3")] = 3
    support_percent: Annotated[float, _at_least(10)] = 10.0
    validation_percent: Annotated[float, _at_least(1)] = 1.0
