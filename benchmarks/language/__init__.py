"""The bilingual task with and without the language reward: consistency, accuracy and length over the steps."""
