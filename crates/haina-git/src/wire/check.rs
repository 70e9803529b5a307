//! What an object may be well formed and still do to whoever checks it out: git's own `fsck` refuses these too.

use std::collections::HashMap;

use crate::tree::{Mode, Tree};

/// Largest `.gitmodules` that is read.
const GITMODULES_BYTES_MAX: usize = 1 << 20;

/// Whether HFS+, which ignores some characters and case, would read a name as `wanted` (in lower case).
fn is_on_hfs(name: &[u8], wanted: &str) -> bool {
    let valid = match std::str::from_utf8(name) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(&name[..e.valid_up_to()]).unwrap_or_default(),
    };
    let ignored = |c: &char| matches!(u32::from(*c), 0x200c..=0x200f | 0x202a..=0x202e | 0x206a..=0x206f | 0xfeff);
    valid.chars().filter(|c| !ignored(c)).map(|c| c.to_ascii_lowercase()).eq(wanted.chars())
}

/// Whether NTFS would read a name as `.gitmodules`: trailing dots and spaces, streams, short names.
fn is_on_ntfs(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    let ends = |rest: &[u8]| rest.iter().copied().find(|c| !matches!(c, b'.' | b' ')).is_none_or(|c| c == b':');
    if let Some(rest) = lower.strip_prefix(b".gitmodules") {
        return ends(rest);
    }
    if let Some([b'1'..=b'4', rest @ ..]) = lower.strip_prefix(b"gitmod~") {
        return ends(rest);
    }
    // Later short names: up to six characters of a hash, a tilde and a number, eight characters together.
    let Some(tilde) = lower.iter().position(|c| *c == b'~') else { return false };
    let (head, tail) = (&lower[..tilde], &lower[tilde + 1..]);
    let digits = tail.iter().take_while(|c| c.is_ascii_digit()).count();
    tilde + 1 + digits == 8
        && tail.first().is_some_and(|c| matches!(c, b'1'..=b'9'))
        && b"gi7eba".starts_with(head)
        && ends(&tail[digits..])
}

/// Whether a name is `.gitmodules` to any system that git runs on.
pub fn is_gitmodules(name: &[u8]) -> bool {
    // Few names begin like it.
    matches!(name.first(), Some(b'.' | b'g' | b'G' | 0x80..))
        && (is_on_hfs(name, ".gitmodules") || name.split(|c| *c == b'\\').any(is_on_ntfs))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Checks what [`Tree::parse`] does not: names that hurt together.
pub fn check_tree(tree: &Tree) -> Result<(), String> {
    let mut has_link = false;
    for entry in tree.iter() {
        has_link |= entry.mode == Mode::Symlink;
        if is_gitmodules(entry.name) && !entry.mode.is_file() {
            return Err(format!("'{}' is not a file", text(entry.name)));
        }
    }
    if !has_link {
        return Ok(());
    }
    // On a system without regard to case, a link takes the place of the folder that is checked out next.
    let mut by_fold: HashMap<String, Mode> = HashMap::with_capacity(tree.len());
    for entry in tree.iter() {
        let fold = text(entry.name).to_lowercase();
        if let Some(other) = by_fold.insert(fold, entry.mode)
            && (other == Mode::Symlink || entry.mode == Mode::Symlink)
        {
            return Err(format!("'{}' is there twice but for case, and one is a symbolic link", text(entry.name)));
        }
    }
    Ok(())
}

/// The value that begins here, as git's configuration quotes it, and what follows its line.
fn value(mut rest: &str) -> (String, &str) {
    let mut out = String::new();
    let mut quoted = false;
    let mut kept = 0;
    loop {
        let mut chars = rest.chars();
        let Some(c) = chars.next() else { break };
        rest = chars.as_str();
        match c {
            '\n' => break,
            '"' => quoted = !quoted,
            '\\' => {
                let Some(next) = chars.next() else { break };
                rest = chars.as_str();
                match next {
                    '\n' => {}
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'b' => out.push('\u{8}'),
                    other => out.push(other),
                }
                kept = out.len();
            }
            ';' | '#' if !quoted => {
                rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
                break;
            }
            c => {
                if !(c.is_whitespace() && !quoted && out.is_empty()) {
                    out.push(c);
                }
                if quoted || !c.is_whitespace() {
                    kept = out.len();
                }
            }
        }
    }
    out.truncate(kept);
    (out, rest)
}

fn unescape(url: &str) -> Vec<u8> {
    let bytes = url.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = url.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    out
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.split(['/', '\\']).any(|part| part == "..") {
        return Err(format!("disallowed submodule name '{name}' in .gitmodules"));
    }
    Ok(())
}

fn check_value(key: &str, value: &str) -> Result<(), String> {
    let control = |bytes: &[u8]| bytes.iter().any(|c| matches!(c, b'\n' | b'\r' | 0));
    let bad = match key {
        "url" => {
            // `helper::address` runs a program of that name.
            let helper = value.split_once("::").is_some_and(|(h, _)| {
                !h.is_empty() && h.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            });
            value.starts_with('-') || helper || control(value.as_bytes()) || control(&unescape(value))
        }
        "path" => value.starts_with('-') || control(value.as_bytes()),
        "update" => value.trim_start().starts_with('!'),
        _ => false,
    };
    if bad { Err(format!("disallowed submodule {key} in .gitmodules: {}", value.escape_debug())) } else { Ok(()) }
}

/// Checks a `.gitmodules` file: what it says must not make a client run programs or leave its folder.
pub fn check_gitmodules(raw: &[u8]) -> Result<(), String> {
    if raw.len() > GITMODULES_BYTES_MAX {
        return Err(".gitmodules is too large".to_owned());
    }
    let whole = String::from_utf8_lossy(raw);
    let mut rest = whole.trim_start_matches('\u{feff}');
    let mut of_submodule = false;
    while !rest.is_empty() {
        rest = rest.trim_start();
        if let Some(header) = rest.strip_prefix('[') {
            let name_at = header.find(['"', ']', '\n']).unwrap_or(header.len());
            of_submodule = header[..name_at].trim().eq_ignore_ascii_case("submodule");
            if header[name_at..].starts_with('"') {
                let mut name = String::new();
                let mut chars = header[name_at + 1..].chars();
                while let Some(c) = chars.next() {
                    match c {
                        '"' | '\n' => break,
                        '\\' => name.extend(chars.next()),
                        c => name.push(c),
                    }
                }
                if of_submodule {
                    check_name(&name)?;
                }
                rest = chars.as_str();
                rest = rest.strip_prefix(']').unwrap_or(rest);
            } else {
                rest = &header[name_at..];
                rest = rest.strip_prefix(']').unwrap_or(rest);
            }
            continue;
        }
        if rest.starts_with(['#', ';']) {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            continue;
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
        let key = rest[..end].to_ascii_lowercase();
        let after = rest[end..].trim_start_matches([' ', '\t']);
        match after.strip_prefix('=') {
            Some(after) => {
                let (value, next) = value(after);
                if of_submodule {
                    check_value(&key, &value)?;
                }
                rest = next;
            }
            // git would stop reading here; what follows is looked at all the same.
            None => rest = after.split_once('\n').map_or("", |(_, rest)| rest),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_gitmodules() {
        for yes in [
            ".gitmodules",
            ".GitModules",
            ".gitmodules .",
            ".gitmodules::$DATA",
            "gitmod~1",
            "GITMOD~4.",
            "gi7eba~1",
            "gi7eb~10",
            "g~100000",
            ".git\u{200c}modules",
        ] {
            assert!(is_gitmodules(yes.as_bytes()), "{yes}");
        }
        for no in
            [".gitmodule", "gitmodules", "gitmod~5", "gitmod~0", "gi7eba~0", "gi7eb~1", "gx7eba~1", ".gitmodulesx", "x"]
        {
            assert!(!is_gitmodules(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn what_gitmodules_may_say() {
        let ok = |text: &str| check_gitmodules(text.as_bytes());
        for good in [
            "",
            "[submodule \"a\"]\n\tpath = a\n\turl = https://example.com/a.git\n",
            "[submodule \"a/b\"] path=a/b\n url=../a.git\n[other]\n update = !x\n# [submodule \"..\"]\n",
            "[submodule \"a\"]\n url = git@example.com:a/b.git # ::\n update = rebase\n",
            "[submodule \"x..y\"]\n url = ssh://[::1]/x\n",
        ] {
            assert_eq!(ok(good), Ok(()), "{good}");
        }
        for bad in [
            "[submodule \"../a\"]\n",
            "[submodule \"a/../b\"]\n",
            "[submodule \"a\\\\..\\\\b\"]\n",
            "[submodule \"\"]\n",
            "[submodule \"a\"]\n url = -u./payload\n",
            "[submodule \"a\"]\n url = \"-u\"\n",
            "[submodule \"a\"]\n url = ext::sh -c id\n",
            "[submodule \"a\"]\n url = https://x%0ahost=y/\n",
            "[submodule \"a\"]\n url = \"https://x\\nhost=y\"\n",
            "[submodule \"a\"]\n path = -x\n",
            "[submodule \"a\"]\n path = \"x\r\"\n",
            "[SubModule \"a\"]\n Update = !id\n",
            "junk\n[submodule \"a\"]\n update=\"!id\"\n",
        ] {
            assert!(ok(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn links_that_take_a_folder_s_place() {
        let entry = |mode, name: &str| crate::TreeEntry { mode, name: name.into(), oid: haina_types::Oid([1; 20]) };
        let check = |entries| check_tree(&Tree::parse(Tree::write(entries).unwrap()).unwrap());
        assert!(check(vec![entry(Mode::Symlink, "A"), entry(Mode::Tree, "a")]).is_err());
        assert!(check(vec![entry(Mode::File, "A"), entry(Mode::File, "a")]).is_ok());
        assert!(check(vec![entry(Mode::Symlink, ".gitmodules")]).is_err());
        assert!(check(vec![entry(Mode::Symlink, "x"), entry(Mode::File, ".gitmodules")]).is_ok());
    }
}
