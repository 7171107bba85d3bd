"""Commands for people with files: match posts, train the model."""
