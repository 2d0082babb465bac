"""`[index]`: whether `gateway run` hands delivered documents to a document system. `index_templates` has what they are handed over by."""

from __future__ import annotations

from gateway.settings.values import Switch, Table


class IndexSettings(Table):
    """`[index]`: `enabled` has `gateway run` keep the role `index`; `gateway index run` works without it."""

    enabled: Switch = False
