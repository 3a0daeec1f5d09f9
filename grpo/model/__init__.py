"""Makes, loads and saves policies and their tokenizers in Hugging Face format."""
