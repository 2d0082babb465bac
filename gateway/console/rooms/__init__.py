"""The pages, by subject: each takes a visit and gives an answer."""
