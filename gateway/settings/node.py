"""`[node]`: this machine's name among several that work on one site, and when a node that is not seen counts as gone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.settings.values import Table


class NodeSettings(Table):
    """`[node]`: with `name` "" the gateway is the only one of its site."""

    name: Annotated[
        str, Field(pattern=r"^([a-z][a-z0-9-]{0,39})?$", description='a name such as "north-1", in quotes, or ""')
    ] = ""
    lease_seconds: Annotated[float, Field(strict=False, ge=2, le=600, description="a number from 2 to 600")] = 15.0
    heartbeat_seconds: Annotated[float, Field(strict=False, ge=0.2, le=60, description="a number from 0.2 to 60")] = 3.0
    role_seconds: Annotated[float, Field(strict=False, ge=2, le=86400, description="a number from 2 to 86400")] = 600.0
    """A role that makes no step for so long, beyond those that it rests, has its node count as gone. A step may copy gigabytes."""
