"""The reference back office: takes delivered documents, puts them into a relational database, and answers for them.

It is an example to copy. It knows of the gateway what any back office knows: files in spool/inbound, answers in spool/outcomes,
and the schemas. It opens no ledger, no key and no vault; import-linter holds that.
"""
