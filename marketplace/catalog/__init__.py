"""What is for sale: models, plans and their documents, read from the projection."""
