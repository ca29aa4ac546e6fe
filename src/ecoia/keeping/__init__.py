"""What is kept on local disk: the journal, where its records go, and what is read from it live."""
