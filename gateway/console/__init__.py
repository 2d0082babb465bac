"""The console: a site's web pages for operators, supervisors, checking officers, auditors and administrators.

`pages` is the table of what there is and who may see it, `web` answers requests by it, `rooms` has the pages themselves. A page reads
the ledger by `administration.views`, and changes nothing but by a request that a role carries out.
"""
