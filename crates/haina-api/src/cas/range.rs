//! The `Range` header.

use haina_app::content::Window;
use haina_types::{Error, Result};
use http::{HeaderMap, header};

/// Most ranges of one request.
const RANGES_MAX: usize = 256;

fn window(text: &str) -> Option<Window> {
    let (start, end) = text.trim().split_once('-')?;
    let number = |t: &str| -> Option<u64> { t.bytes().all(|b| b.is_ascii_digit()).then(|| t.parse().ok())? };
    match (start, end) {
        ("", "") => None,
        ("", n) => number(n).map(Window::Last),
        (start, "") => number(start).map(Window::From),
        (start, end) => {
            let (start, end) = (number(start)?, number(end)?);
            (start <= end).then(|| Window::Range(start, end.saturating_add(1)))
        }
    }
}

/// The ranges asked for; `None` without the header.
pub fn ranges(headers: &HeaderMap) -> Result<Option<Vec<Window>>> {
    let Some(value) = headers.get(header::RANGE) else { return Ok(None) };
    let bad = || Error::invalid("The Range header must be of the form \"bytes=first-last\".");
    let text = value.to_str().map_err(|_| bad())?;
    let list = text.strip_prefix("bytes=").ok_or_else(bad)?;
    let mut windows = Vec::new();
    for part in list.split(',') {
        if windows.len() == RANGES_MAX {
            return Err(Error::invalid(format!("The Range header may have at most {RANGES_MAX} ranges.")));
        }
        windows.push(window(part).ok_or_else(bad)?);
    }
    Ok(Some(windows))
}

/// The one range asked for, or all.
pub fn range(headers: &HeaderMap) -> Result<Window> {
    match ranges(headers)?.as_deref() {
        None => Ok(Window::All),
        Some([one]) => Ok(*one),
        Some(_) => Err(Error::invalid("Only one range at a time is served here.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Vec<Window>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, text.parse().unwrap());
        ranges(&headers).ok().flatten()
    }

    #[test]
    fn forms() {
        assert_eq!(of("bytes=0-0"), Some(vec![Window::Range(0, 1)]));
        assert_eq!(of("bytes=5-"), Some(vec![Window::From(5)]));
        assert_eq!(of("bytes=-7, 1-2"), Some(vec![Window::Last(7), Window::Range(1, 3)]));
        assert_eq!(of(&format!("bytes=1-{}", u64::MAX)), Some(vec![Window::Range(1, u64::MAX)]));
        for bad in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=2-1",
            "bytes=a-b",
            "bytes=+1-2",
            "items=0-1",
            "bytes=1-2,",
            "bytes=1-99999999999999999999",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert!(of(&format!("bytes={}", vec!["0-0"; 257].join(","))).is_none());
    }
}
