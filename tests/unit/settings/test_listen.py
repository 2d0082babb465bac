"""Where metrics may be listened at: on this machine, and nowhere else."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.upkeep import MetricsSettings


@pytest.mark.parametrize("listen", ["", "127.0.0.1:9632", "127.9.9.9:1", "[::1]:65535", "/run/gateway/metrics.sock"])
def test_an_address_of_this_machine_is_taken(listen: str) -> None:
    assert MetricsSettings(listen=listen).listen == listen


@pytest.mark.parametrize(
    "listen",
    [
        *(
            "0.0.0.0:9632",
            "[::]:9632",
            "192.0.2.1:80",
            ":9632",
            "localhost:9632",
            "::1:9632",
            "[127.0.0.1]:80",
            "127.0.0.1",
        ),
        *(
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "127.0.0.1:09",
            "[::1%lo]x:80",
            "metrics.sock",
            "/",
            "/a\n",
            "/" + "a" * 107,
        ),
        *("[::ffff:127.0.0.1]:80x", "127.0.0.1:80\n"),
    ],
)
def test_any_other_is_a_fault(listen: str) -> None:
    with pytest.raises(ValidationError):
        MetricsSettings(listen=listen)
