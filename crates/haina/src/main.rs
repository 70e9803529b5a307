//! Haina: an AI open-source community in one binary.
//!
//! This crate holds configuration and wiring only: the command line, the socket, the signals.

mod admin;
mod audit;
mod git;
mod limits;
mod provider;
mod quota;
mod rates;
mod secrets;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use haina_app::secrets::KeySource;
use haina_app::{App, Options};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A hub for models, data sets and tools, in one binary.
#[derive(Parser)]
#[command(name = "haina", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the hub.
    Serve(serve::Serve),
    /// Manage people, organizations and tokens; works beside a running hub.
    Admin(admin::Admin),
    /// Check that everything stored is whole: exit code 0 clean, 1 findings, 2 could not check.
    Fsck(Fsck),
    /// Write a repository as a bare git repository, with its whole history and its large files.
    ExportGit(git::ExportGit),
    /// Bring a git repository or a bundle, with its whole history and its large files; works beside a running hub.
    ImportGit(git::ImportGit),
}

/// Where the hub keeps everything.
#[derive(Args, Clone)]
struct Store {
    /// The data folder.
    #[arg(long, value_name = "DIR", env = "HAINA_DATA", default_value = "haina-data")]
    data: PathBuf,
    /// A PostgreSQL address (postgres://…) instead of SQLite in the data folder.
    #[arg(long, value_name = "URL", env = "HAINA_DATABASE")]
    database: Option<String>,
    /// The file with the key that secrets are sealed with, instead of secret.key in the data folder. Servers that share a
    /// database share the key; it may also be in the environment, as HAINA_SECRET_KEY.
    #[arg(long, value_name = "FILE", env = "HAINA_SECRET_KEY_FILE")]
    secret_key_file: Option<PathBuf>,
}

/// Not an argument: others on the machine can read those.
const SECRET_KEY: &str = "HAINA_SECRET_KEY";

impl Store {
    fn options(&self, base_url: &str) -> anyhow::Result<Options> {
        let mut options = Options::new(&self.data, base_url);
        if let Some(text) = &self.database {
            options.database = haina_db::Config::parse(text).context("--database")?;
        }
        let given = match std::env::var(SECRET_KEY) {
            Ok(text) => Some(text).filter(|text| !text.trim().is_empty()),
            Err(std::env::VarError::NotPresent) => None,
            Err(e) => anyhow::bail!("{SECRET_KEY}: {e}"),
        };
        match (given, &self.secret_key_file) {
            (Some(_), Some(_)) => anyhow::bail!("give the key by --secret-key-file or by {SECRET_KEY}, not by both"),
            (Some(text), None) => options.secret_key = KeySource::Given(text),
            (None, Some(path)) => options.secret_key = KeySource::File(path.clone()),
            (None, None) => {}
        }
        Ok(options)
    }

    /// That the hub exists.
    fn check_exists(&self) -> anyhow::Result<()> {
        let file = self.data.join("hub.db");
        anyhow::ensure!(
            self.database.is_some() || file.exists(),
            "{} does not exist: start the hub once with `haina serve --data {}`",
            file.display(),
            self.data.display()
        );
        Ok(())
    }

    /// Opens a hub that must exist already.
    async fn open_existing(&self) -> anyhow::Result<App> {
        self.check_exists()?;
        self.open("http://localhost").await
    }

    /// Opens a hub, making it in an empty folder.
    async fn open(&self, base_url: &str) -> anyhow::Result<App> {
        self.open_as(self.options(base_url)?).await
    }

    /// Opens a hub with options of its own.
    async fn open_as(&self, options: Options) -> anyhow::Result<App> {
        std::fs::create_dir_all(&self.data)
            .with_context(|| format!("cannot make the data folder {}", self.data.display()))?;
        Ok(App::open(options).await?)
    }
}

/// Check that everything stored is whole.
#[derive(Args)]
struct Fsck {
    #[command(flatten)]
    store: Store,
    /// Also read and hash every byte.
    #[arg(long)]
    deep: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(64).build() {
        Ok(runtime) => runtime,
        Err(e) => {
            say(&format!("haina: cannot start: {e}"));
            return ExitCode::from(2);
        }
    };
    runtime.block_on(async {
        let outcome = match cli.command {
            Command::Serve(serve) => serve.run().await.map(|()| ExitCode::SUCCESS),
            Command::Admin(admin) => admin.run().await.map(|()| ExitCode::SUCCESS),
            Command::ExportGit(export) => export.run().await.map(|()| ExitCode::SUCCESS),
            Command::ImportGit(import) => import.run().await.map(|()| ExitCode::SUCCESS),
            Command::Fsck(fsck) => return fsck.run().await,
        };
        outcome.unwrap_or_else(|e| {
            say(&format!("haina: {}", chain(&e)));
            ExitCode::FAILURE
        })
    })
}

/// An error with its causes on one line.
fn chain(e: &anyhow::Error) -> String {
    e.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// For the person at the terminal.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user here")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// The command's result, on standard output.
#[expect(clippy::print_stdout, reason = "the command line answers its user here")]
fn print(text: &str) {
    println!("{text}");
}

impl Fsck {
    async fn run(self) -> ExitCode {
        let app = match self.store.open_existing().await {
            Ok(app) => app,
            Err(e) => {
                say(&format!("haina fsck: could not check: {}", chain(&e)));
                return ExitCode::from(2);
            }
        };
        match app.fsck(self.deep, &|line| say(line)).await {
            Ok(report) => {
                for finding in &report.findings {
                    print(finding);
                }
                say(&report.summary);
                if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
            }
            Err(e) => {
                say(&format!("haina fsck: could not check: {e:?}"));
                ExitCode::from(2)
            }
        }
    }
}
