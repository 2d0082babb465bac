"""The validator of the Single Housing Benefit Extract."""
