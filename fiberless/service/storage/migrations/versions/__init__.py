"""One module per version of the schema, each naming the one before it."""
