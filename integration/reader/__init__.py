"""A second reader of the ledger, written from docs/ledger.md alone: the proof that the page says enough."""
