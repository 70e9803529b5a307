//! What the database costs: `cargo run --release -p haina-db --example speed -- sqlite:/tmp/speed.db 100000`.
//!
//! Fills an empty database with that many repositories, then times point reads, transactions and lists.

#![expect(clippy::print_stdout, reason = "a program for people to read")]

use std::error::Error;
use std::time::{Duration, Instant};

use haina_db::people::{NewToken, NewUser};
use haina_db::repos::{Card, NewRepo, RepoFilter, Sort};
use haina_db::{Db, git, ledger, meta, people, repos};
use haina_types::{Oid, RefName, RepoKind, RepoName, Slug, Timestamp, TokenRole, Visibility};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().ok_or("which database?")?;
    let repositories: u64 = args.next().unwrap_or_else(|| "100000".into()).parse()?;
    let db = Db::open(&address.parse()?).await?;
    fill(&db, repositories).await?;
    points(&db, repositories).await?;
    transactions(&db).await?;
    lists(&db).await
}

async fn fill(db: &Db, repositories: u64) -> Result<()> {
    let start = Instant::now();
    let name: Slug = "owner".parse()?;
    let user = NewUser {
        name: &name,
        full_name: "Owner",
        email: None,
        password_hash: None,
        is_admin: false,
        created_at: NOW,
        service_of: None,
    };
    let mut tx = db.begin().await?;
    let owner = people::insert_user(&mut tx, &user).await?;
    let token = NewToken {
        user_id: owner,
        name: "t",
        hash: &[7; 32],
        hint: "abcd",
        role: &TokenRole::Write,
        created_at: NOW,
        expires_at: None,
        grant_id: None,
    };
    people::insert_token(&mut tx, &token).await?;
    let other = people::insert_org(&mut tx, &"other".parse()?, "Other", NOW).await?;
    tx.commit().await?;
    for batch in 0..repositories.div_ceil(1000) {
        let mut tx = db.begin().await?;
        for n in batch * 1000..(batch * 1000 + 1000).min(repositories) {
            let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            let name: RepoName = format!("model-{n}-{:x}", mixed & 0xffff).parse()?;
            let new = NewRepo {
                public_id: &format!("{n:024x}"),
                kind: RepoKind::Model,
                ns_id: if n % 5000 == 77 { other } else { owner },
                name: &name,
                visibility: Visibility::Public,
                created_by: Some(owner),
                created_at: Timestamp(NOW.0 + i64::try_from(n)?),
                group_id: None,
            };
            let id = repos::insert_repo(&mut tx, &new).await?;
            let mut oid = Oid::ZERO;
            oid.0[..8].copy_from_slice(&(n + 1).to_le_bytes());
            git::put_ref(&mut tx, id, &RefName::main(), None, Some(&oid), NOW).await?;
            repos::set_trending(&mut tx, id, i64::try_from(mixed % 1000)?).await?;
            let tags = [
                format!("license:{}", mixed % 7),
                format!("region:{}", mixed % 3),
                format!("library-{}", mixed % 31),
                format!("rare-{}", mixed % 5003),
            ];
            repos::put_tags(&mut tx, id, &tags).await?;
            let card = Card {
                commit: oid,
                card: Some(r#"{"license":"mit","language":["zh","en"]}"#.into()),
                pipeline_tag: Some(format!("task-{}", mixed % 17)),
                ..Card::default()
            };
            repos::put_card(&mut tx, id, &card).await?;
        }
        tx.commit().await?;
    }
    println!("{repositories} repositories made in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Time that this thread has had a processor, which other programs on the machine do not change much.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

fn each(what: &str, count: usize, start: (Instant, Duration)) {
    let per = |t: Duration| t.as_secs_f64() * 1e6 / count as f64;
    println!("{what:56} {:7.2} µs, of which this thread {:6.2}", per(start.0.elapsed()), per(cpu() - start.1));
}

async fn points(db: &Db, repositories: u64) -> Result<()> {
    const COUNT: usize = 20_000;
    let now = || (Instant::now(), cpu());
    let mut names = Vec::new();
    let mut s = db.read().await?;
    for n in 0..COUNT as u64 {
        let id = i64::try_from(n.wrapping_mul(7919) % repositories + 1)?;
        let repo = repos::find_repo_by_id(&mut s, id).await?;
        names.extend(repo.map(|r| (r.namespace.name.fold(), r.name.fold())));
    }
    drop(s);
    let main = RefName::main();
    let start = now();
    for (owner, name) in &names {
        let mut s = db.read().await?;
        let found = repos::find_repo_with_ref(&mut s, RepoKind::Model, owner, name, &main).await?;
        assert!(found.is_some_and(|(_, oid)| oid.is_some()));
    }
    each("repository with its owner and main branch, own session", names.len(), start);
    let start = now();
    for _ in 0..COUNT {
        let mut s = db.read().await?;
        assert!(people::find_token_by_hash(&mut s, &[7; 32]).await?.is_some());
    }
    each("token with its user, own session", COUNT, start);
    let start = now();
    for _ in 0..COUNT {
        db.read().await?;
    }
    each("a session without a statement", COUNT, start);
    let mut s = db.read().await?;
    let start = now();
    for _ in 0..COUNT {
        assert!(people::find_token_by_hash(&mut s, &[7; 32]).await?.is_some());
    }
    each("token with its user, one session", COUNT, start);
    let start = now();
    for _ in 0..COUNT {
        assert!(people::find_user_by_id(&mut s, 1).await?.is_some());
    }
    each("user, one session", COUNT, start);
    let start = now();
    for _ in 0..COUNT {
        assert!(meta::find_setting(&mut s, "nothing").await?.is_none());
    }
    each("a setting that is not there, one session", COUNT, start);
    Ok(())
}

async fn transactions(db: &Db) -> Result<()> {
    for tasks in [1_u32, 8, 32, 128] {
        let start = Instant::now();
        let time = Duration::from_secs(2);
        let running: Vec<_> = (0..tasks)
            .map(|task| {
                let db = db.clone();
                tokio::spawn(async move {
                    let mut done = 0_u32;
                    while start.elapsed() < time {
                        let mut tx = db.begin().await?;
                        meta::put_setting(&mut tx, &format!("k{task}"), &done.to_string()).await?;
                        let event = ledger::NewEvent {
                            at: NOW,
                            actor_id: Some(1),
                            kind: "speed",
                            repo_id: Some(1),
                            ns_id: Some(1),
                            data: serde_json::json!({"n": done}),
                        };
                        ledger::append_event(&mut tx, &event).await?;
                        tx.commit().await?;
                        done += 1;
                    }
                    Ok::<u32, haina_db::Error>(done)
                })
            })
            .collect();
        let mut done = 0;
        for task in running {
            done += task.await??;
        }
        let rate = f64::from(done) / start.elapsed().as_secs_f64();
        println!("durable transactions with an event, {tasks:3} at once {rate:17.0} /s");
    }
    Ok(())
}

async fn lists(db: &Db) -> Result<()> {
    let models = RepoFilter { kinds: vec![RepoKind::Model], limit: 30, ..RepoFilter::default() };
    let tag = |t: &str| vec![t.to_owned()];
    let cases = [
        ("30 by attention", models.clone()),
        ("30 by downloads, all equal", RepoFilter { sort: Sort::Downloads, ..models.clone() }),
        ("1000 by attention", RepoFilter { limit: 1000, ..models.clone() }),
        ("30 with a common tag", RepoFilter { tags: tag("license:3"), ..models.clone() }),
        ("30 with a rare tag", RepoFilter { tags: tag("rare-77"), ..models.clone() }),
        ("30 with no such tag", RepoFilter { tags: tag("none"), ..models.clone() }),
        ("30 of a task", RepoFilter { pipeline_tag: Some("task-5".into()), ..models.clone() }),
        (
            "30 of two tags, one of them rare",
            RepoFilter { tags: vec!["license:3".into(), "rare-77".into()], ..models.clone() },
        ),
        ("30 of all kinds", RepoFilter { kinds: Vec::new(), ..models.clone() }),
        ("30 of an owner of few", RepoFilter { author: Some("other".into()), ..models.clone() }),
        ("30 of an owner of most", RepoFilter { author: Some("owner".into()), ..models.clone() }),
        ("30 whose name has a common part", RepoFilter { search: tag("-12"), ..models.clone() }),
        ("30 whose name has a rare part", RepoFilter { search: tag("-77777-"), ..models.clone() }),
    ];
    for (what, filter) in cases {
        let mut times = Vec::new();
        for _ in 0..15 {
            let start = Instant::now();
            let mut s = db.read().await?;
            repos::list_repos(&mut s, &filter).await?;
            times.push(start.elapsed());
        }
        times.sort();
        let ms = |t: Duration| t.as_secs_f64() * 1e3;
        println!("{what:40} median {:8.2} ms, worst {:8.2} ms", ms(times[7]), ms(times[14]));
    }
    Ok(())
}
