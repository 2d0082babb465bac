"""Rendering a payload for somebody to look at: pictures of a PDF, a form of an XML document, a table of an extract."""
