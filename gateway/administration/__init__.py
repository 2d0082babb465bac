"""What a person does to a site, or is shown of it: typed results for a command line and a console. Nothing here prints."""
