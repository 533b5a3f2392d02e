//! How Cairn's frames travel, and nothing of what they mean.
