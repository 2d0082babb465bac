"""Delivered documents for a document system: batch folders with an index, a manifest and a marker, by a template of the authority's."""
