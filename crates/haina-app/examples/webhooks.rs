//! What webhooks cost those who commit: references are made by several writers at once, with nobody watching, then with
//! several webhooks watching, whose deliveries are queued meanwhile.
//!
//! `cargo run --release -p haina-app --example webhooks [SECONDS] [WEBHOOKS]`

#![expect(clippy::print_stdout, reason = "a program for people to read")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use haina_app::people::NewUser;
use haina_app::repos::NewRepo;
use haina_app::webhooks::{Watched, WatchedKind, WebhookChange};
use haina_app::{App, Caller, Options};
use haina_types::{RepoKind, RepoPath, Revision, TokenRole};

const WRITERS: u64 = 16;

/// Tags a second by several writers, and events read a second, while the ledger is followed.
async fn round(app: &App, caller: &Caller, path: &RepoPath, name: &str, time: Duration) -> anyhow::Result<(f64, f64)> {
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU64::new(0));
    let reader = {
        let (app, stop) = (app.clone(), stop.clone());
        tokio::spawn(async move {
            let mut read = 0;
            loop {
                let ended = stop.load(Ordering::Relaxed);
                match app.read_outbox().await? {
                    0 if ended => return Ok::<usize, haina_types::Error>(read),
                    0 => tokio::time::sleep(Duration::from_millis(200)).await,
                    n => read += n,
                }
            }
        })
    };
    let begun = Instant::now();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (app, caller, path, stop, made, name) =
            (app.clone(), caller.clone(), path.clone(), stop.clone(), made.clone(), name.to_owned());
        writers.push(tokio::spawn(async move {
            let access = app.write(&caller, RepoKind::Model, &path).await?;
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                app.create_tag(&access, &format!("{name}-{writer}-{n}"), &Revision::main(), None).await?;
                made.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), haina_types::Error>(())
        }));
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await??;
    }
    let tags = made.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    let read = reader.await?? as f64 / begun.elapsed().as_secs_f64();
    Ok((tags, read))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let seconds: u64 = args.next().as_deref().unwrap_or("10").parse().context("SECONDS")?;
    let hooks: usize = args.next().as_deref().unwrap_or("5").parse().context("WEBHOOKS")?;
    let time = Duration::from_secs(seconds);
    let data = tempfile::tempdir()?;
    let app = App::open(Options::new(data.path(), "http://hub.test")).await?;
    let name: haina_types::Slug = "alice".parse()?;
    app.add_user(NewUser { name: name.clone(), full_name: None, email: None, admin: false }).await?;
    let token = app.add_token(&name, "speed", TokenRole::Write).await?;
    let caller = app.caller_by_token(&token.secret).await?;
    let path: RepoPath = "alice/m".parse()?;
    let new = NewRepo {
        kind: RepoKind::Model,
        namespace: None,
        name: path.name.clone(),
        visibility: None,
        license: None,
        group: None,
        sdk: None,
        files: Vec::new(),
    };
    app.create_repo(&caller, new).await?;
    // By turns, so that what grows meanwhile weighs on both.
    let (mut without, mut with, mut queued) = (0.0, 0.0, 0.0);
    for turn in 0..3 {
        without += round(&app, &caller, &path, &format!("a{turn}"), time).await?.0 / 3.0;
        let by = app.act(&caller).await?;
        let mut made = Vec::new();
        for _ in 0..hooks {
            let watched = vec![Watched { kind: WatchedKind::User, name: "alice".to_owned() }];
            let url = Some("https://hook.invalid/".into());
            made.push(app.create_webhook(&by, WebhookChange { url, watched, ..WebhookChange::default() }).await?.id);
        }
        let (tags, read) = round(&app, &caller, &path, &format!("b{turn}"), time).await?;
        with += tags / 3.0;
        queued += read * hooks as f64 / 3.0;
        for id in made {
            app.delete_webhook(&by, &id).await?;
        }
    }
    println!("tags a second, nobody watching:   {without:8.0}");
    println!("tags a second, {hooks} webhooks watching: {with:8.0} ({:+.1} %)", (with / without - 1.0) * 100.0);
    println!("deliveries queued a second:       {queued:8.0}");
    Ok(())
}
