//! What files say of themselves: cards, safetensors, GGUF, Markdown.
