"""One optimizer step: experience → packed micro-batches → loss → gradient → AdamW."""
