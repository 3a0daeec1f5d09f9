"""What makes an exported model ready for others: its card, the prompt it was trained on, and the way to the hub."""
