//! Whether bytes are text.

/// Whether the beginning of a file (the clients send up to 512 bytes) is not text, so that the file belongs in
/// LFS. Text is UTF-8, possibly cut in the middle of a character at the end, with hardly any control characters
/// and no NUL. Nothing at all is text.
pub fn looks_binary(sample: &[u8]) -> bool {
    let text = match std::str::from_utf8(sample) {
        Ok(text) => text,
        // `error_len` is `None` exactly when the input ends within a character.
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&sample[..e.valid_up_to()]).unwrap_or_default(),
        Err(_) => return true,
    };
    let controls = text.bytes().filter(|c| matches!(c, 0x01..=0x06 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)).count();
    text.contains('\0') || controls * 20 > text.len()
}

#[cfg(test)]
mod tests {
    use super::looks_binary;

    #[test]
    fn text_and_not() {
        for text in [
            &b""[..],
            b"plain\r\n\ttext\x0c",
            "模型".as_bytes(),
            &"模型".as_bytes()[..5],
            b"\x1b[1mcolour\x1b[0m",
            "\u{feff}a".as_bytes(),
        ] {
            assert!(!looks_binary(text), "{text:?}");
        }
        for binary in [
            &b"a\0b"[..],
            b"\xff\xfea\0",
            b"\x89PNG\r\n\x1a\n",
            b"\x80\x04\x95",
            b"\x01\x02\x03\x04",
            b"caf\xe9 latin-1",
        ] {
            assert!(looks_binary(binary), "{binary:?}");
        }
    }
}
