"""Whether to fine-tune at all, and with what: from tables, from the data, and from what was measured here."""
