//! A real PostgreSQL server for tests, from the machine's own packages.
//!
//! Test processes of one user share a server: the first starts it, and a watchdog stops and removes it ten seconds
//! after the last has ended, however it ended, because what marks a process as a user is a file lock that the kernel
//! takes back. Every [`Database`] is new and is dropped with its handle. The server's own order of text is not that
//! of bytes, so that a column which forgets to say `collate "C"` is found out.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};

const ADVICE: &str = "tests need PostgreSQL's server programs: apt-get install postgresql";

/// Seconds without any user before the server is stopped.
const WATCHDOG: &str = r#"
idle=0
while [ $idle -lt 10 ]; do
    sleep 1
    if flock -n -x "$1/users" true; then idle=$((idle + 1)); else idle=0; fi
done
exec flock -x "$1/users" sh -c '
    dir=$1; shift
    "$@" -D "$dir/data" -m immediate stop >"$dir/stop.log" 2>&1
    rm -rf "$dir/data"
' sh "$@"
"#;

/// A running server, shared by the tests of this user.
struct Server {
    folder: PathBuf,
    programs: PathBuf,
    /// Held as long as this process lives.
    _user: File,
}

/// An empty database, dropped with this handle.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// A new one. Blocks for about a tenth of a second, and a few seconds if the server must be started.
    pub fn create() -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let server = server()?;
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        // A process id comes back sooner or later, and a killed test leaves its database.
        server.run("dropdb", &["--if-exists", "--force", &name])?;
        server.run("createdb", &[&name])?;
        let url = format!("postgres://postgres@/{name}?host={}", server.folder.display());
        Ok(Self { name, url })
    }

    /// Its address, as libpq and `haina` take it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server is thrown away in the end; dropping databases before only saves room.
        if let Ok(server) = server() {
            let _ = server.run("dropdb", &["--if-exists", "--force", &self.name]);
        }
    }
}

impl Server {
    /// Runs one of the client programs.
    fn run(&self, program: &str, args: &[&str]) -> Result<()> {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-h").arg(&self.folder).args(["-U", "postgres"]).args(args);
        finish(command.env("LC_ALL", "C"))
    }
}

fn finish(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The folder of the newest server programs, and their major version.
fn programs() -> Result<(PathBuf, u32)> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/postgresql").context(ADVICE)? {
        let path = entry?.path();
        let version = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok());
        if let (Some(version), true) = (version, path.join("bin/initdb").is_file()) {
            found.push((version, path.join("bin")));
        }
    }
    found.sort();
    let (version, path) = found.pop().context(ADVICE)?;
    Ok((path, version))
}

fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// The server refuses to run as root; its package has brought a user for it.
fn as_server(program: &Path) -> Result<Vec<String>> {
    let program = program.to_str().context("because programs have plain paths")?.to_owned();
    Ok(if is_root()? {
        let switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"];
        switch.into_iter().map(str::to_owned).chain([program]).collect()
    } else {
        vec![program]
    })
}

fn command(line: &[String], folder: &Path) -> Command {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).current_dir(folder).env("LC_ALL", "C");
    command
}

fn server() -> Result<&'static Server> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    match SERVER.get_or_init(|| start().map_err(|e| format!("{e:#}"))) {
        Ok(server) => Ok(server),
        Err(e) => bail!("{e}"),
    }
}

/// Joins the server of this user, or starts it.
fn start() -> Result<Server> {
    let (programs, version) = programs()?;
    let me = std::fs::metadata("/proc/self")?.uid();
    // Not TMPDIR: the path of a socket is short, and the server's user must be able to go there.
    let folder = PathBuf::from(format!("/tmp/haina-test-postgres-{me}"));
    match std::fs::DirBuilder::new().mode(0o755).create(&folder) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(e.into()),
        _ => ensure!(std::fs::metadata(&folder)?.uid() == me, "{} is not ours", folder.display()),
    }
    let user = File::create(folder.join("users"))?;
    user.lock_shared()?;
    let starting = File::create(folder.join("starting"))?;
    starting.lock()?;

    let server = Server { folder, programs, _user: user };
    if server.run("pg_isready", &["-q"]).is_ok() {
        return Ok(server);
    }
    let data = server.folder.join("data");
    if data.exists() {
        // Left over from a killed server, or one that is still starting or stuck.
        let mut stop = command(&as_server(&server.programs.join("pg_ctl"))?, &server.folder);
        let _ = finish(stop.arg("-D").arg(&data).args(["-m", "immediate", "stop"]));
        std::fs::remove_dir_all(&data)?;
    }
    let run = server.folder.join("run");
    std::fs::create_dir_all(&run)?;
    std::fs::create_dir(&data)?;
    if is_root()? {
        let owner = std::fs::metadata("/var/lib/postgresql").context(ADVICE)?;
        for path in [&data, &run, &server.folder] {
            std::os::unix::fs::chown(path, (*path != server.folder).then_some(owner.uid()), Some(owner.gid()))?;
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o775);
        std::fs::set_permissions(&server.folder, mode)?;
    }

    let mut initdb = command(&as_server(&server.programs.join("initdb"))?, &server.folder);
    initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]);
    if version >= 15 {
        initdb.args(["--locale-provider=icu", "--icu-locale=en"]);
    }
    finish(&mut initdb)?;

    let options = format!(
        "-c listen_addresses='' -c unix_socket_directories={} -c fsync=off -c synchronous_commit=off \
         -c full_page_writes=off -c max_connections=400 -c shared_buffers=128MB -c log_min_messages=fatal",
        server.folder.display()
    );
    let control = as_server(&server.programs.join("pg_ctl"))?;
    let mut pg_ctl = command(&control, &server.folder);
    pg_ctl.arg("-D").arg(&data).arg("-l").arg(run.join("server.log")).args(["-w", "-t", "60", "-o", &options, "start"]);
    // The server keeps these open, and a test that is waited for by its pipes would not end.
    let status = pg_ctl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !status.success() {
        bail!("{pg_ctl:?}: {}", std::fs::read_to_string(run.join("server.log")).unwrap_or_default());
    }

    let mut watchdog = Command::new("setsid");
    watchdog.args(["sh", "-c", WATCHDOG, "sh"]).arg(&server.folder).args(&control).current_dir("/");
    watchdog.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_made_and_dropped() {
        let database = Database::create().unwrap();
        let server = server().unwrap();
        server.run("psql", &["-d", &database.name, "-c", "create table t (i bigint)"]).unwrap();
        let name = database.name.clone();
        drop(database);
        assert!(server.run("psql", &["-d", &name, "-c", "select 1"]).is_err());
    }
}
