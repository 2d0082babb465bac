"""The validator of XML documents."""
