"""What is kept: the journal, the records, the store. Imports config only."""
