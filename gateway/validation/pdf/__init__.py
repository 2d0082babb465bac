"""The validator of Local Authority Input Documents (LAIDs), which are PDFs."""
