//! `haina admin …`: what the operator does at the command line. Works beside a running hub.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use haina_app::oauth::{NewApp, NewPublisher};
use haina_app::people::{NewOrg, NewUser, Signup};
use haina_types::{OrgRole, RepoKind, Slug, TokenRole};

use crate::audit::Audit;
use crate::limits::Limits;
use crate::provider::Providers;
use crate::quota::Quotas;
use crate::rates::Rates;
use crate::secrets::Secrets;
use crate::{Store, print, say};

/// Manage people, organizations and tokens.
#[derive(Args)]
pub struct Admin {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// People.
    #[command(subcommand)]
    User(User),
    /// Access tokens.
    #[command(subcommand)]
    Token(Token),
    /// Public keys for SSH.
    #[command(subcommand)]
    Key(Key),
    /// Organizations.
    #[command(subcommand)]
    Org(Org),
    /// Applications that sign people in here by OAuth 2 and OpenID Connect.
    #[command(subcommand)]
    App(App),
    /// Let jobs (GitHub Actions, GitLab CI) publish to a repository by statements that their provider signs, without a
    /// secret. What it gives is seen and revoked on the user's page of tokens.
    Publisher {
        /// The repository: namespace/name, or datasets/namespace/name and so on.
        repo: String,
        /// In whose name; their own rights are the ceiling.
        #[arg(long)]
        user: Slug,
        /// Who signs the statements, such as https://token.actions.githubusercontent.com.
        #[arg(long, value_name = "URL")]
        issuer: String,
        /// About whom, such as repo:lab/code:ref:refs/heads/main; a * at the end stands for anything.
        #[arg(long)]
        subject: String,
        #[command(flatten)]
        store: Store,
    },
    /// Sign-in by an institution's own accounts.
    #[command(subcommand)]
    Provider(Providers),
    /// The key that secrets in the database are sealed with.
    #[command(subcommand)]
    Secrets(Secrets),
    /// Who may make an account.
    Signup {
        #[command(flatten)]
        store: Store,
        /// The new setting; prints the present one when absent.
        mode: Option<SignupMode>,
    },
    /// What a repository, and one push, may have at most: prints it, after changing what is given.
    Limits(Limits),
    /// What users and organizations may have at most: bytes, and repositories.
    #[command(subcommand)]
    Quota(Quotas),
    /// How many requests are answered: prints it, after changing what is given. A running hub follows within seconds.
    Rates(Rates),
    /// What happened: lists it, newest first, or exports all of it.
    Audit(Audit),
    /// Make an invitation: prints its link's secret.
    Invite {
        #[command(flatten)]
        store: Store,
        /// Whom it is for.
        #[arg(long)]
        email: Option<String>,
        /// How many days it works.
        #[arg(long, default_value_t = 14)]
        days: i64,
    },
}

#[derive(Subcommand)]
enum User {
    /// Give a user a new password and end their sessions: prints it, alone, on standard output.
    Password {
        /// The user.
        name: Slug,
        #[command(flatten)]
        store: Store,
    },
    /// Make a user.
    Add {
        /// The user name, also the namespace of the user's repositories.
        name: Slug,
        /// The name for people.
        #[arg(long, value_name = "F")]
        full_name: Option<String>,
        /// The e-mail address.
        #[arg(long, value_name = "E")]
        email: Option<String>,
        /// Administers the site.
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        store: Store,
    },
}

#[derive(Subcommand)]
enum Token {
    /// Make a token: prints it, alone, on standard output. It is not shown again.
    Add {
        /// Whose it is.
        user: Slug,
        /// What it may do.
        #[arg(long)]
        role: Power,
        /// The owner's name for it.
        #[arg(long, default_value = "command line")]
        name: String,
        /// After how many days it ends by itself.
        #[arg(long)]
        days: Option<i64>,
        #[command(flatten)]
        store: Store,
    },
}

#[derive(Subcommand)]
enum Key {
    /// Add a public key to a user's account.
    Add {
        /// Whose it is.
        user: Slug,
        /// The file that ends in .pub; standard input when absent.
        file: Option<PathBuf>,
        /// The owner's name for it; its comment when absent.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        store: Store,
    },
    /// List a user's keys: id, fingerprint, algorithm, when it was last used, name.
    List {
        /// The user.
        user: Slug,
        #[command(flatten)]
        store: Store,
    },
    /// Remove a key from a user's account: it stops working at once.
    Remove {
        /// The user.
        user: Slug,
        /// The key's id or its fingerprint, SHA256:….
        key: String,
        #[command(flatten)]
        store: Store,
    },
}

/// Most bytes of a file with a public key that are read.
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;

fn read_key(file: Option<&Path>) -> anyhow::Result<String> {
    let mut text = String::new();
    match file {
        Some(path) => {
            let open = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            open.take(KEY_FILE_BYTES_MAX)
                .read_to_string(&mut text)
                .with_context(|| format!("cannot read {}", path.display()))?;
        }
        None => {
            let input = std::io::stdin().lock();
            input.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).context("cannot read standard input")?;
        }
    }
    Ok(text)
}

#[derive(Subcommand)]
enum Org {
    /// Make an organization.
    Add {
        /// The name, also the namespace of its repositories.
        name: Slug,
        /// The user who becomes its first administrator.
        #[arg(long, value_name = "USER")]
        owner: Slug,
        /// The name for people.
        #[arg(long, value_name = "F")]
        full_name: Option<String>,
        #[command(flatten)]
        store: Store,
    },
    /// Make a user a member, or change their role.
    Member {
        /// The organization.
        org: Slug,
        /// The user.
        user: Slug,
        /// The role.
        #[arg(long)]
        role: Role,
        #[command(flatten)]
        store: Store,
    },
    /// List an organization's members: name and role.
    Members {
        /// The organization.
        org: Slug,
        #[command(flatten)]
        store: Store,
    },
    /// End a membership. An organization is never without an administrator.
    Remove {
        /// The organization.
        org: Slug,
        /// The user.
        user: Slug,
        #[command(flatten)]
        store: Store,
    },
}

#[derive(Subcommand)]
enum App {
    /// Register an application: prints its id and, if it is confidential, its secret, which is not shown again.
    Add {
        /// Its name for people.
        name: String,
        /// Where it may be answered, to the letter; may be given several times.
        #[arg(long = "redirect", value_name = "URI")]
        redirect_uris: Vec<String>,
        /// It runs on a server and keeps a secret; without this it must use PKCE.
        #[arg(long)]
        confidential: bool,
        /// It may sign in machines by a short code.
        #[arg(long)]
        device: bool,
        /// The id that it has built in.
        #[arg(long, value_name = "ID")]
        client_id: Option<String>,
        /// What it gets when it asks for nothing in particular, with spaces between.
        #[arg(long, value_name = "SCOPES")]
        scope: Option<String>,
        #[command(flatten)]
        store: Store,
    },
    /// List all applications: id, kind, name and addresses.
    List {
        #[command(flatten)]
        store: Store,
    },
    /// Remove an application and everything that was issued to it.
    Remove {
        /// Its id.
        client_id: String,
        #[command(flatten)]
        store: Store,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Power {
    /// Everything the user may read.
    Read,
    /// Everything the user may do.
    Write,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// Sees private repositories.
    Read,
    /// Also creates repositories, and writes to those.
    Contributor,
    /// Also writes to every repository.
    Write,
    /// Also manages members and settings.
    Admin,
}

#[derive(Clone, Copy, ValueEnum)]
enum SignupMode {
    /// Anyone.
    Open,
    /// Anyone with an invitation.
    Invite,
    /// Only the operator.
    Closed,
}

impl Admin {
    /// Does it.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::User(User::Add { name, full_name, email, admin, store }) => {
                let app = store.open("http://localhost").await?;
                app.add_user(NewUser { name: name.clone(), full_name, email, admin }).await?;
                say(&format!("Made {} {name}.", if admin { "administrator" } else { "user" }));
            }
            What::User(User::Password { name, store }) => {
                let app = store.open_existing().await?;
                print(&app.reset_password(&name).await?);
            }
            What::Token(Token::Add { user, role, name, days, store }) => {
                let app = store.open_existing().await?;
                let role = match role {
                    Power::Read => TokenRole::Read,
                    Power::Write => TokenRole::Write,
                };
                print(&app.add_token_for_days(&user, &name, role, days).await?.secret);
            }
            What::Key(Key::Add { user, file, name, store }) => {
                let app = store.open_existing().await?;
                let key = app.add_ssh_key_of(&user, name.as_deref(), &read_key(file.as_deref())?).await?;
                say(&format!("Added {} {} to {user} as \"{}\".", key.kind, key.fingerprint, key.name));
            }
            What::Key(Key::List { user, store }) => {
                let app = store.open_existing().await?;
                for key in app.list_ssh_keys_of(&user).await? {
                    let used = key.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
                    print(&format!("{}\t{}\t{}\t{used}\t{}", key.id, key.fingerprint, key.kind, key.name));
                }
            }
            What::Key(Key::Remove { user, key, store }) => {
                let app = store.open_existing().await?;
                app.remove_ssh_key_of(&user, &key).await?;
                say(&format!("Removed {key} from {user}."));
            }
            What::Org(Org::Add { name, owner, full_name, store }) => {
                let app = store.open_existing().await?;
                app.add_org(NewOrg { name: name.clone(), full_name, owner }).await?;
                say(&format!("Made organization {name}."));
            }
            What::Org(Org::Members { org, store }) => {
                let app = store.open_existing().await?;
                let access = app.operate_org(&org).await?;
                for member in app.list_members_of(&access).await? {
                    print(&format!("{}\t{}", member.name, member.role.as_str()));
                }
            }
            What::Org(Org::Remove { org, user, store }) => {
                store.open_existing().await?.remove_member(&org, &user).await?;
            }
            What::Org(Org::Member { org, user, role, store }) => {
                let app = store.open_existing().await?;
                let role = match role {
                    Role::Read => OrgRole::Read,
                    Role::Contributor => OrgRole::Contributor,
                    Role::Write => OrgRole::Write,
                    Role::Admin => OrgRole::Admin,
                };
                app.set_member(&org, &user, role).await?;
                say(&format!("{user} is now {} of {org}.", role.as_str()));
            }
            What::App(App::Add { name, redirect_uris, confidential, device, client_id, scope, store }) => {
                let app = store.open_existing().await?;
                let new = NewApp { name, redirect_uris, confidential, device, client_id, scope };
                let made = app.add_app(new).await?;
                print(&made.client_id);
                if let Some(secret) = made.client_secret {
                    print(&secret);
                }
            }
            What::App(App::List { store }) => {
                for app in store.open_existing().await?.list_all_apps().await? {
                    let kind = if app.confidential { "confidential" } else { "public" };
                    let device = if app.device { "+device" } else { "" };
                    print(&format!("{}\t{kind}{device}\t{}\t{}", app.client_id, app.name, app.redirect_uris.join(" ")));
                }
            }
            What::App(App::Remove { client_id, store }) => {
                store.open_existing().await?.remove_app(&client_id).await?;
                say("Removed.");
            }
            What::Publisher { repo, user, issuer, subject, store } => {
                let (kind, path) = crate::git::parse_repo(&repo)?;
                let kind = kind.unwrap_or(RepoKind::Model);
                let app = store.open_existing().await?;
                app.add_publisher(NewPublisher { user, kind, path, issuer, subject }).await?;
                say(&format!("Jobs may now publish to {repo}."));
            }
            What::Provider(providers) => providers.run().await?,
            What::Secrets(secrets) => secrets.run().await?,
            What::Signup { store, mode } => {
                let app = store.open_existing().await?;
                if let Some(mode) = mode {
                    let mode = match mode {
                        SignupMode::Open => Signup::Open,
                        SignupMode::Invite => Signup::Invite,
                        SignupMode::Closed => Signup::Closed,
                    };
                    app.set_signup_mode(mode).await?;
                }
                print(match app.signup_mode().await? {
                    Signup::Open => "open",
                    Signup::Invite => "invite",
                    Signup::Closed => "closed",
                });
            }
            What::Limits(limits) => limits.run().await?,
            What::Quota(quotas) => quotas.run().await?,
            What::Rates(rates) => rates.run().await?,
            What::Audit(audit) => audit.run().await?,
            What::Invite { store, email, days } => {
                let app = store.open_existing().await?;
                print(&app.invite(email.as_deref(), days).await?);
            }
        }
        Ok(())
    }
}
