//! Markdown to sanitized HTML.

/// Larger documents are not rendered.
pub const MARKDOWN_BYTES_MAX: usize = 1 << 20;

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderOptions {
    /// The folder of the document's links, with a trailing slash: `/ns/name/blob/main/docs/`.
    pub link_base: String,
    /// The folder of its pictures, with a trailing slash: `/ns/name/resolve/main/docs/`.
    pub image_base: String,
    /// Put before every id, so that no id can be one of the page's own.
    pub id_prefix: String,
}

/// Why a document is not rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarkdownError {
    /// Above [`MARKDOWN_BYTES_MAX`].
    #[error("the document is larger than {MARKDOWN_BYTES_MAX} bytes")]
    TooLarge,
}

/// Renders a document (without front matter).
pub fn render(markdown: &str, options: &RenderOptions) -> Result<String, MarkdownError> {
    let _ = (markdown, options);
    Err(MarkdownError::TooLarge)
}
