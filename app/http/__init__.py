"""What HTTP itself asks for: access, limits, problems, negotiation, links, OpenAPI; nothing of galaxies."""
