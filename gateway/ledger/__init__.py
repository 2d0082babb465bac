"""The database of record: every transfer, consignment, receipt and event, and the chain that the events form."""
