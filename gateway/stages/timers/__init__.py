"""Stages that time starts: overdue receipts and enquiries, ends of keys, the extract calendar; and log-in records."""
