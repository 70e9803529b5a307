//! What a client asks to be run, as it would write it for a shell. There is no shell: words are taken apart by the rules
//! of POSIX for quotes, and whatever a shell would do beyond that is refused.

use haina_app::git::Service;
use haina_app::lfs::Operation;
use haina_types::{RepoKind, RepoPath};

/// Longest command, in bytes.
const COMMAND_BYTES_MAX: usize = 4096;
/// Most words of a command.
const WORDS_MAX: usize = 16;

/// A repository, as a command names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What it holds.
    pub(crate) kind: RepoKind,
    /// Its id, as written.
    pub(crate) path: RepoPath,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// `git-upload-pack` or `git-receive-pack`.
    Git(Service, Place),
    /// `git-lfs-authenticate`
    LfsAuthenticate(Place, Operation),
}

/// Why a command is not run: words for the person, and the status that goes with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) words: String,
    pub(crate) status: u32,
}

impl Refusal {
    pub(crate) fn new(status: u32, words: impl Into<String>) -> Self {
        Self { words: words.into(), status }
    }

    fn unreadable(why: &str) -> Self {
        Self::new(2, format!("This command cannot be read: {why}. Only git and Git LFS are served here."))
    }

    fn repo_not_found() -> Self {
        Self::new(128, "Repository not found")
    }
}

/// Takes a command line apart.
fn words(line: &str) -> Result<Vec<String>, Refusal> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    let open = || Refusal::unreadable("a quote is not closed");
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(open)? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(open)? {
                        '"' => break,
                        '\\' => match chars.next().ok_or_else(open)? {
                            c @ ('$' | '`' | '"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        '$' | '`' => return Err(Refusal::unreadable("nothing is expanded here")),
                        c => word.push(c),
                    }
                }
            }
            '\\' => {
                let c = chars.next().ok_or_else(|| Refusal::unreadable("it ends in a backslash"))?;
                word.get_or_insert_default().push(c);
            }
            '$' | '`' | '*' | '?' | '[' => return Err(Refusal::unreadable("nothing is expanded here")),
            ';' | '&' | '|' | '<' | '>' | '(' | ')' => {
                return Err(Refusal::unreadable("it is more than one command"));
            }
            '#' if word.is_none() => return Err(Refusal::unreadable("it has a comment")),
            c => word.get_or_insert_default().push(c),
        }
        if words.len() > WORDS_MAX {
            return Err(Refusal::unreadable("it has too many words"));
        }
    }
    words.extend(word);
    Ok(words)
}

/// The repository that a path names: `ns/name`, `datasets/ns/name` and so on, perhaps with `/` or `~/` before and `.git`
/// or `/` behind it.
fn place(path: &str) -> Option<Place> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_prefix("~/").unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = path.strip_suffix(".git").unwrap_or(path);
    let of_kind = |kind: &RepoKind| *kind != RepoKind::Model && path.starts_with(kind.url_prefix());
    let kind = RepoKind::ALL.into_iter().find(of_kind).filter(|_| path.matches('/').count() == 2);
    let kind = kind.unwrap_or(RepoKind::Model);
    let (namespace, name) = path.strip_prefix(kind.url_prefix())?.split_once('/')?;
    Some(Place { kind, path: RepoPath { namespace: namespace.parse().ok()?, name: name.parse().ok()? } })
}

/// Reads a command.
pub(crate) fn parse(line: &[u8]) -> Result<Command, Refusal> {
    if line.len() > COMMAND_BYTES_MAX {
        return Err(Refusal::unreadable("it is too long"));
    }
    let line = std::str::from_utf8(line).map_err(|_| Refusal::unreadable("it is not UTF-8"))?;
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Refusal::unreadable("it has control characters"));
    }
    let words = words(line)?;
    let mut words = words.iter().map(String::as_str);
    let name = match words.next().unwrap_or_default() {
        // `git upload-pack` is the same as `git-upload-pack`.
        "git" => format!("git-{}", words.next().unwrap_or_default()),
        name => name.to_owned(),
    };
    let args: Vec<&str> = words.collect();
    if let Some(service) = Service::parse(&name) {
        // Options belong to git's own programs; clients send none.
        let [path] = args[..] else {
            return Err(Refusal::new(129, format!("usage: {name} <repository>")));
        };
        return Ok(Command::Git(service, place(path).ok_or_else(Refusal::repo_not_found)?));
    }
    match name.as_str() {
        "git-lfs-authenticate" => {
            // Old clients name the object, too.
            let (path, operation) = match args[..] {
                [path, operation] | [path, operation, _] => (path, operation),
                _ => return Err(Refusal::new(129, "usage: git-lfs-authenticate <repository> download|upload")),
            };
            let operation = Operation::parse(operation)
                .ok_or_else(|| Refusal::new(129, "The operation must be \"download\" or \"upload\"."))?;
            Ok(Command::LfsAuthenticate(place(path).ok_or_else(Refusal::repo_not_found)?, operation))
        }
        "git-upload-archive" => Err(Refusal::new(
            128,
            "Archives are not made over SSH. Clone the repository, or download its files from the pages of this hub.",
        )),
        // A shell says it in these words; git-lfs looks for them.
        name => Err(Refusal::new(127, format!("{}: not found", shown(name)))),
    }
}

/// A word of the client's for its person's screen.
fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        words(line).unwrap_or_else(|e| panic!("{line}: {e:?}"))
    }

    #[test]
    fn words_as_a_shell_takes_them_apart() {
        for (line, expected) in [
            ("", &[][..]),
            ("  \t ", &[]),
            ("a b\tc", &["a", "b", "c"]),
            ("'a b' c", &["a b", "c"]),
            // As git quotes: a quote and an exclamation mark leave the quotes.
            (r"'a'\''b'\!'c'", &["a'b!c"]),
            (r"''", &[""]),
            (r"a''b", &["ab"]),
            (r#""a b"'c d'e\ f"#, &["a bc de f"]),
            (r#""a\"b\\c\$d\`e\f'g""#, &[r#"a"b\c$d`e\f'g"#]),
            (r"\'a\'", &["'a'"]),
            (r"\a\\", &[r"a\"]),
            ("a#b '#c'", &["a#b", "#c"]),
            ("'$(x)' '`y`' ';' '*'", &["$(x)", "`y`", ";", "*"]),
            ("~/a {b,c}", &["~/a", "{b,c}"]),
            ("海纳/模型", &["海纳/模型"]),
        ] {
            assert_eq!(split(line), expected, "{line}");
        }
    }

    #[test]
    fn what_only_a_shell_could_do_is_refused() {
        for line in [
            "'a", "\"a", "a\\", "\"a\\", "a;b", "a&b", "a|b", "a>b", "a<b", "$a", "a$b", "`a`", "\"$a\"", "\"`a`\"",
            "(a)", "a*", "a?", "[a]", "# a", "a #b",
        ] {
            assert!(words(line).is_err(), "{line}");
        }
        assert!(words(&"a ".repeat(WORDS_MAX + 2)).is_err());
    }

    #[test]
    fn places() {
        let text = |path: &str| place(path).map(|p| format!("{}:{}", p.kind, p.path));
        for path in ["ns/m", "/ns/m", "~/ns/m", "/~/ns/m", "ns/m.git", "/ns/m.git/", "ns/m/"] {
            assert_eq!(text(path).as_deref(), Some("model:ns/m"), "{path}");
        }
        assert_eq!(text("/datasets/ns/d.git").as_deref(), Some("dataset:ns/d"));
        assert_eq!(text("spaces/ns/d").as_deref(), Some("space:ns/d"));
        for bad in [
            "",
            "/",
            "ns",
            "//ns/m",
            "ns//m",
            "../ns/m",
            "ns/../m",
            "ns/m/x",
            "models/ns/m",
            "datasets/m",
            "ns/.git",
            "ns/m.git.git",
            "ns/m\0",
            "~ns/m",
            "datasets//m",
            "ns/m x",
            "C:\\ns\\m",
            "-x/m",
        ] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }

    #[test]
    fn commands() {
        let place = place("datasets/ns/d").unwrap();
        for line in [
            "git-upload-pack 'datasets/ns/d.git'",
            "git-upload-pack '/datasets/ns/d'",
            "git upload-pack '~/datasets/ns/d.git'",
            "git-upload-pack \"datasets/ns/d\"",
            "git-upload-pack datasets/ns/d",
        ] {
            let expected = Command::Git(Service::UploadPack, place.clone());
            assert_eq!(parse(line.as_bytes()), Ok(expected), "{line}");
        }
        assert_eq!(parse(b"git receive-pack datasets/ns/d"), Ok(Command::Git(Service::ReceivePack, place.clone())));
        assert_eq!(
            parse(b"git-lfs-authenticate datasets/ns/d.git upload"),
            Ok(Command::LfsAuthenticate(place.clone(), Operation::Upload))
        );
        assert_eq!(
            parse(b"git-lfs-authenticate 'datasets/ns/d' download 0123"),
            Ok(Command::LfsAuthenticate(place, Operation::Download))
        );
    }

    #[test]
    fn refused_commands_have_a_status() {
        let long = "x".repeat(COMMAND_BYTES_MAX + 1);
        for (line, status, words) in [
            (&b"git-lfs-transfer ns/m upload"[..], 127, "git-lfs-transfer: not found"),
            (b"sh", 127, "sh: not found"),
            (b"", 127, ": not found"),
            (b"git", 127, "git-: not found"),
            (b"git status", 127, "git-status: not found"),
            (b"git-upload-archive 'ns/m'", 128, "Archives"),
            (b"git-upload-pack", 129, "usage"),
            (b"git-upload-pack --strict ns/m", 129, "usage"),
            (b"git-upload-pack 'ns/m' 'ns/n'", 129, "usage"),
            (b"git-lfs-authenticate ns/m", 129, "usage"),
            (b"git-lfs-authenticate ns/m delete", 129, "operation"),
            (b"git-upload-pack '../../etc/passwd'", 128, "Repository not found"),
            (b"git-upload-pack 'ns/m'; id", 2, "more than one command"),
            (b"git-upload-pack $(id)", 2, "nothing is expanded"),
            (b"git-upload-pack 'ns/m", 2, "not closed"),
            (b"git-upload-pack 'ns/m'\nid", 2, "control characters"),
            (b"git-upload-pack 'ns/m\0'", 2, "control characters"),
            (b"\xff\xfe", 2, "not UTF-8"),
            (long.as_bytes(), 2, "too long"),
        ] {
            let refusal = parse(line).unwrap_err();
            assert_eq!(refusal.status, status, "{line:?}: {refusal:?}");
            assert!(refusal.words.contains(words), "{line:?}: {refusal:?}");
        }
    }
}
