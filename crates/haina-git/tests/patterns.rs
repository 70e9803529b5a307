//! Attributes and ignore rules against `git check-attr` and `git check-ignore`.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Rand, Repo};
use haina_git::{Attributes, DEFAULT_GITATTRIBUTES, Ignore, default_gitattributes};
use haina_types::RepoKind;

/// What git says of each path.
fn check_attr(repo: &Repo, files: &[(&str, &str)], paths: &[String]) -> Vec<bool> {
    for entry in std::fs::read_dir(repo.dir.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != ".git" {
            if entry.path().is_dir() {
                std::fs::remove_dir_all(entry.path()).unwrap()
            } else {
                std::fs::remove_file(entry.path()).unwrap()
            }
        }
    }
    for (folder, text) in files {
        std::fs::create_dir_all(repo.dir.path().join(folder)).unwrap();
        std::fs::write(repo.dir.path().join(folder).join(".gitattributes"), text).unwrap();
    }
    let input: String = paths.iter().map(|p| format!("{p}\0")).collect();
    let out = repo.git(&["check-attr", "-z", "--stdin", "filter"], input.as_bytes());
    let fields: Vec<&[u8]> = out.split(|c| *c == 0).collect();
    fields.chunks_exact(3).map(|f| f[2] == b"lfs").collect()
}

fn check_ignore(repo: &Repo, files: &[(&str, &str)], paths: &[String]) -> Vec<bool> {
    // Existing folders are known as such to git; every path here is meant as a file.
    assert!(!paths.iter().any(|p| matches!(p.as_str(), "a" | "a/b" | "foo") && files.len() > 1));
    let _ = std::fs::remove_dir_all(repo.dir.path().join("a"));
    let _ = std::fs::remove_dir_all(repo.dir.path().join("foo"));
    let _ = std::fs::remove_file(repo.dir.path().join(".gitignore"));
    for (folder, text) in files {
        std::fs::create_dir_all(repo.dir.path().join(folder)).unwrap();
        std::fs::write(repo.dir.path().join(folder).join(".gitignore"), text).unwrap();
    }
    let input: String = paths.iter().map(|p| format!("{p}\0")).collect();
    let (_, out, err) =
        repo.try_git(&["check-ignore", "-z", "--stdin", "--no-index", "--verbose", "--non-matching"], input.as_bytes());
    let fields: Vec<&[u8]> = out.split(|c| *c == 0).collect();
    let found: Vec<bool> = fields.chunks_exact(4).map(|f| !f[2].is_empty() && !f[2].starts_with(b"!")).collect();
    assert_eq!(found.len(), paths.len(), "{err}");
    found
}

fn paths(rand: &mut Rand, n: usize) -> Vec<String> {
    let names = [
        "a", "b", "foo", "bar", "foobar", "x.bin", "y.bin", "a.b", "a-b", "abc", "foo.txt", "]", "A", "[x]", "a b",
        "模", "-", "a^",
    ];
    (0..n).map(|_| (0..1 + rand.below(4)).map(|_| *rand.pick(&names)).collect::<Vec<_>>().join("/")).collect()
}

fn pattern(rand: &mut Rand) -> String {
    let parts = [
        "a",
        "b",
        "foo",
        "bar",
        "*",
        "*",
        "**",
        "**/",
        "/**",
        "/**/",
        "/",
        "?",
        "*.bin",
        "[ab]",
        "[!a]",
        "[^b]",
        "[a-f]",
        "[]]",
        "[!]]",
        "[]-a]",
        "[a\\]b]",
        "[[:alpha:]]",
        "[[:foo:]]",
        "[[:x]",
        "[a",
        "\\a",
        "\\*",
        "\\",
        ".",
        "-",
        "x",
        "foo*",
        "**foo",
        "f**r",
        "***",
        "模",
        "[\\a-c]",
        "[a-]",
        "\\[x]",
        "[--0]",
        "[*-\\-]",
    ];
    let mut text = String::new();
    for _ in 0..1 + rand.below(4) {
        text += *rand.pick(&parts);
    }
    text
}

#[test]
fn default_attributes() {
    let ours = Attributes::parse(DEFAULT_GITATTRIBUTES);
    for lfs in [
        "model.safetensors",
        "a/b/c.bin",
        "x.bin.1",
        "saved_model/x/y.pb",
        "saved_model/variables/v",
        "w.7z",
        "events.out.tfevents.1.host",
        "x.tar.gz",
        "x.lfs.y",
        "m.onnx",
        "a.parquet",
        "m.pt",
    ] {
        assert!(ours.is_lfs(lfs), "{lfs}");
    }
    for plain in [
        "README.md",
        "config.json",
        ".gitattributes",
        "model.safetensors.index.json",
        "merges.txt",
        "x.png",
        "a.gguf",
        "bin/x",
        "other_model/x",
    ] {
        assert!(!ours.is_lfs(plain), "{plain}");
    }
    let dataset = Attributes::parse(&default_gitattributes(RepoKind::Dataset));
    assert!(dataset.is_lfs("x.png") && dataset.is_lfs("x.bin") && !dataset.is_lfs("x.json"));
    assert_eq!(default_gitattributes(RepoKind::Model), DEFAULT_GITATTRIBUTES);
    assert!(DEFAULT_GITATTRIBUTES.lines().all(|l| l.ends_with(" filter=lfs diff=lfs merge=lfs -text")));
}

#[test]
fn attributes_as_git_reads_them() {
    let repo = Repo::with_worktree();
    let long = format!("{} filter=lfs\n*.b filter=lfs\n", "x".repeat(2100));
    let cases = [
        "*.bin filter=lfs diff=lfs\n",
        "*.bin filter=lfs\nx.bin -filter\n",
        "*.bin filter=lfs\nx.bin !filter\n",
        "*.bin filter=lfs\r\nfoo/** filter=lfs\r\n",
        "\u{feff}*.bin filter=lfs\n",
        "\u{feff}\n# c\n  *.bin\tfilter=lfs\n",
        "[attr]big filter=lfs diff=lfs\n*.bin big\n",
        "*.bin big\n[attr]big filter=lfs\n*.txt -big\nfoo !big\n",
        "[attr]one filter=lfs\n[attr]two one -text\n* two\nx.bin filter=other\n",
        "[attr]big filter=lfs\n*.bin big -filter\n",
        "[attr]big filter=lfs\n*.bin -filter big\n",
        "* filter\n",
        "* filter=LFS\n",
        "* filter=lfs filter=x\n",
        "* filter=x filter=lfs\n",
        "\"a b\" filter=lfs\n",
        "\"a\\040b\" filter=lfs\n",
        "\"a b filter=lfs\n",
        "\"\\346\\250\\241\" filter=lfs\n",
        "!foo filter=lfs\n",
        "foo/ filter=lfs\n",
        "/foo filter=lfs\n",
        "foo/* filter=lfs\n",
        "**/bar filter=lfs\n",
        "a**/b filter=lfs\n",
        "foo filter=lfs -1?\n",
        "foo filter=lfs b@d\nbar filter=lfs\n",
        "foo filter=lfs builtin_x\n",
        "foo filter= lfs\n",
        "foo =lfs filter=lfs\n",
        "* binary\n*.bin filter=lfs\n",
        "#foo filter=lfs\n\\#foo filter=lfs\n",
        "foo\n*.bin filter=lfs",
        "[attr] filter=lfs\n[attr]-x y\n* filter=lfs\n",
        &long,
    ];
    let mut rand = Rand(3);
    let mut all = paths(&mut rand, 200);
    all.extend(["#foo", "[attr]", "foo", "a b", "a.b"].map(str::to_owned));
    for text in cases {
        let ours = Attributes::parse(text);
        let theirs = check_attr(&repo, &[("", text)], &all);
        for (path, expected) in all.iter().zip(theirs) {
            assert_eq!(ours.is_lfs(path), expected, "{path:?} under {text:?}");
        }
    }
    for _ in 0..60 {
        let mut texts: Vec<String> = Vec::new();
        for _ in 0..3 {
            let mut text = String::new();
            for _ in 0..1 + rand.below(4) {
                let pattern = pattern(&mut rand).replace(' ', "?");
                text += &format!(
                    "{pattern} {}\n",
                    rand.pick(&["filter=lfs", "filter=lfs", "-filter", "!filter", "big", "-big", "filter=x"])
                );
            }
            texts.push(text);
        }
        texts[0].insert_str(0, "[attr]big filter=lfs\n");
        let files = [("", texts[0].as_str()), ("foo", &texts[1]), ("a/b", &texts[2])];
        let mut ours = Attributes::default();
        for (folder, text) in files.iter().rev() {
            ours.push(folder, text);
        }
        let all = paths(&mut rand, 150);
        let theirs = check_attr(&repo, &files, &all);
        for (path, expected) in all.iter().zip(theirs) {
            assert_eq!(ours.is_lfs(path), expected, "{path:?} under {files:?}");
        }
    }
}

#[test]
fn ignore_as_git_reads_it() {
    let repo = Repo::with_worktree();
    let cases = [
        "*.bin\n",
        "*.bin\n!x.bin\n",
        "foo/\n!foo/bar\n",
        "foo/*\n!foo/bar\n",
        "/foo\n",
        "foo/bar\n",
        "**/bar\n",
        "a/**\n",
        "a/**/b\n",
        "!a\na\n",
        "a \n",
        "a\\ \n",
        "a\\  \n",
        "\\a \n",
        "#a\n\\#a\n",
        "\\!a\n",
        "a\r\nb\r\n",
        "\u{feff}a\n",
        "/\n",
        "!\n",
        "   \n",
        "*\n!*/\n!*.bin\n",
        "/*\n!/foo\n/foo/*\n!/foo/bar\n",
        "a**/b\n",
        "foo**\n",
        "*/b\n",
        "/*/b/\n",
        "a/\n",
        "\\\n",
        "a\\\n",
        "[a\n",
        "foo/bar/\n",
        "foo\tbar\na\t\n",
        "a\n\n\nb",
        "f*/\n",
        "**\n",
        "**/\n",
        "*/\n!a/\n",
        "foo/b*/\n",
        "/a/b\n!/a/b\n",
    ];
    let mut rand = Rand(4);
    let mut all = paths(&mut rand, 200);
    all.extend(["#a", "!a", "a ", "foobarbaz/x", "foo/barbaz/x", "a\\", "\\", "a\t"].map(str::to_owned));
    for text in cases {
        let ours = Ignore::parse(text);
        let theirs = check_ignore(&repo, &[("", text)], &all);
        for (path, expected) in all.iter().zip(theirs) {
            assert_eq!(ours.is_ignored(path), expected, "{path:?} under {text:?}");
        }
    }
    for _ in 0..80 {
        let mut texts: Vec<String> = Vec::new();
        for _ in 0..3 {
            let lines = (0..1 + rand.below(5)).map(|_| {
                let (not, end) = (*rand.pick(&["", "", "!"]), *rand.pick(&["", "", "/", " ", "\r"]));
                format!("{not}{}{end}\n", pattern(&mut rand))
            });
            texts.push(lines.collect());
        }
        let files = [("", texts[0].as_str()), ("foo", &texts[1]), ("a/b", &texts[2])];
        let mut ours = Ignore::default();
        for (folder, text) in &files {
            ours.push(folder, text);
        }
        let mut all = paths(&mut rand, 150);
        all.retain(|p| !matches!(p.as_str(), "a" | "a/b" | "foo"));
        let theirs = check_ignore(&repo, &files, &all);
        for (path, expected) in all.iter().zip(theirs) {
            assert_eq!(ours.is_ignored(path), expected, "{path:?} under {files:?}");
        }
    }
}

#[test]
fn hostile_patterns_are_cheap() {
    let start = std::time::Instant::now();
    let stars = format!("{}b\n", "*a".repeat(500));
    let folders = format!("{}x\n", "**/".repeat(500));
    let text = format!("{stars}{folders}").repeat(200);
    let ignore = Ignore::parse(&text);
    for path in ["a".repeat(1000), "a/".repeat(100) + "a"] {
        assert!(!ignore.is_ignored(&path));
    }
    let attributes = Attributes::parse(&text.replace('\n', " filter=lfs\n"));
    assert!(!attributes.is_lfs(&"a".repeat(1000)));
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    let mut rand = Rand(5);
    for _ in 0..3000 {
        let text: String = (0..rand.below(40))
            .map(|_| {
                *rand.pick(&[
                    'a', '*', '/', '[', ']', '\\', '!', '\n', ' ', '"', '=', '-', '^', ':', 'é', '\0', '#', '?',
                ])
            })
            .collect();
        Ignore::parse(&text).is_ignored("a/b/a");
        Attributes::parse(&text).is_lfs("a/b/a");
        Attributes::parse(&format!("a {text}\n{text} filter=lfs")).is_lfs("a");
    }
}
