"""The directories that people and back offices use: intake, publication, returns and answers."""
