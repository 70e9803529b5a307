//! Likes and follows, their counts, and the attention that repositories draw.

use haina_types::{RepoKind, Timestamp};

use crate::people::{Namespace, namespace_columns};
use crate::repos::{Conditions, Cursor, PAGE_MAX, REPO_COLUMNS, Repo, Viewer, repo_columns};
use crate::sql::{Row, Sql, Value, statements, values};
use crate::{Result, Session};

statements! {
    LIKE = point(
        "insert into repo_like (repo_id, user_id, first_at, created_at) values ($1, $2, $3, $3)
         on conflict (repo_id, user_id) do update set created_at = excluded.created_at, withdrawn_at = null
             where repo_like.withdrawn_at is not null"
    );
    UNLIKE = point(
        "update repo_like set withdrawn_at = $3 where repo_id = $1 and user_id = $2 and withdrawn_at is null"
    );
    HAS_LIKE = point(
        "select count(*) from repo_like where repo_id = $1 and user_id = $2 and withdrawn_at is null"
    );
    ADD_REPO_LIKES = point("update repo set likes = likes + $2 where id = $1");
    LIST_LIKERS = point(concat!(
        "select ", namespace_columns!(), ", l.created_at from repo_like l join namespace n on n.id = l.user_id
         where l.repo_id = $1 and l.withdrawn_at is null and (l.created_at, l.user_id) < ($2, $3)
         order by l.created_at desc, l.user_id desc limit $4"
    ));
    LIKED_AMONG = pair(
        "select repo_id from repo_like
         where user_id = $1 and withdrawn_at is null and repo_id in (select value from json_each($2))",
        "select repo_id from repo_like where user_id = $1 and withdrawn_at is null and repo_id = any($2)"
    );
    FORGET_LIKES = long(
        "update social_count set likes = likes - 1
         where ns_id in (select user_id from repo_like where repo_id = $1 and withdrawn_at is null)"
    );
    FOLLOW = point(
        "insert into follow (follower_id, followed_id, created_at) values ($1, $2, $3)
         on conflict (follower_id, followed_id) do nothing"
    );
    UNFOLLOW = point("delete from follow where follower_id = $1 and followed_id = $2");
    HAS_FOLLOW = point("select count(*) from follow where follower_id = $1 and followed_id = $2");
    LIST_FOLLOWERS = point(concat!(
        "select ", namespace_columns!(), ", f.created_at from follow f join namespace n on n.id = f.follower_id
         where f.followed_id = $1 and (f.created_at, f.follower_id) < ($2, $3)
         order by f.created_at desc, f.follower_id desc limit $4"
    ));
    LIST_FOLLOWING = point(concat!(
        "select ", namespace_columns!(), ", f.created_at from follow f join namespace n on n.id = f.followed_id
         where f.follower_id = $1 and (f.created_at, f.followed_id) < ($2, $3)
         order by f.created_at desc, f.followed_id desc limit $4"
    ));
    ADD_COUNTS = point(
        "insert into social_count (ns_id, followers, following, likes, upvotes) values ($1, $2, $3, $4, $5)
         on conflict (ns_id) do update set followers = social_count.followers + excluded.followers,
             following = social_count.following + excluded.following, likes = social_count.likes + excluded.likes,
             upvotes = social_count.upvotes + excluded.upvotes"
    );
    FIND_COUNTS = point("select followers, following, likes, upvotes from social_count where ns_id = $1");
    LIST_ACTIVE = point(
        "select id, trending from repo where id > $1 and (likes > 0 or downloads > 0 or trending <> 0)
         order by id limit $2"
    );
    LIST_RECENT_LIKES = long_pair(
        "select repo_id, first_at from repo_like
         where repo_id in (select value from json_each($1)) and withdrawn_at is null and first_at >= $2",
        "select repo_id, first_at from repo_like where repo_id = any($1) and withdrawn_at is null and first_at >= $2"
    );
    LIST_RECENT_DOWNLOADS = long_pair(
        "select repo_id, day, count from repo_download
         where repo_id in (select value from json_each($1)) and day >= $2",
        "select repo_id, day, count from repo_download where repo_id = any($1) and day >= $2"
    );
    WRONG_LIKES = long(
        "select r.id, r.likes from repo r
         where r.likes <> (select count(*) from repo_like l where l.repo_id = r.id and l.withdrawn_at is null)
         order by r.id limit $1"
    );
}

/// A namespace in a list of people, and since when it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The user or organization.
    pub namespace: Namespace,
    /// Since when.
    pub at: Timestamp,
}

/// A page of people, newest first.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// On it.
    pub items: Vec<Since>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// A user gives a repository their like; whether that is new.
pub async fn like(s: &mut Session, repo: i64, user: i64, now: Timestamp) -> Result<bool> {
    if s.exec(&LIKE, &values![repo, user, now]).await? == 0 {
        return Ok(false);
    }
    s.exec(&ADD_REPO_LIKES, &values![repo, 1_i64]).await?;
    add_counts(s, user, Counts { likes: 1, ..Counts::default() }).await?;
    Ok(true)
}

/// A user takes their like back; whether there was one.
pub async fn unlike(s: &mut Session, repo: i64, user: i64, now: Timestamp) -> Result<bool> {
    if s.exec(&UNLIKE, &values![repo, user, now]).await? == 0 {
        return Ok(false);
    }
    s.exec(&ADD_REPO_LIKES, &values![repo, -1_i64]).await?;
    add_counts(s, user, Counts { likes: -1, ..Counts::default() }).await?;
    Ok(true)
}

/// Whether a user likes a repository.
pub async fn has_like(s: &mut Session, repo: i64, user: i64) -> Result<bool> {
    s.one(&HAS_LIKE, &values![repo, user]).await?.flag(0)
}

/// Those of `repos` that a user likes.
pub async fn liked_among(s: &mut Session, user: i64, repos: &[i64]) -> Result<Vec<i64>> {
    s.rows(&LIKED_AMONG, &[Value::Int(user), Value::Ints(repos)]).await?.iter().map(|r| r.int(0)).collect()
}

/// Before a repository is deleted: its likes count for nobody any more.
pub async fn forget_likes(s: &mut Session, repo: i64) -> Result<()> {
    s.exec(&FORGET_LIKES, &values![repo]).await.map(drop)
}

async fn list_people(s: &mut Session, sql: &Sql, of: i64, after: Option<Cursor>, limit: usize) -> Result<People> {
    let after = after.unwrap_or(Cursor { value: i64::MAX, id: i64::MAX });
    let limit = limit.min(PAGE_MAX);
    let rows = s.rows(sql, &values![of, after.value, after.id, limit + 1]).await?;
    let mut items: Vec<Since> = rows
        .iter()
        .map(|r| Ok(Since { namespace: Namespace::from_row(r, 0)?, at: r.time(5)? }))
        .collect::<Result<_>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|p| Cursor { value: p.at.0, id: p.namespace.id });
    Ok(People { items, next })
}

/// Who likes a repository.
pub async fn list_likers(s: &mut Session, repo: i64, after: Option<Cursor>, limit: usize) -> Result<People> {
    list_people(s, &LIST_LIKERS, repo, after, limit).await
}

/// Who follows a user or an organization.
pub async fn list_followers(s: &mut Session, ns: i64, after: Option<Cursor>, limit: usize) -> Result<People> {
    list_people(s, &LIST_FOLLOWERS, ns, after, limit).await
}

/// Whom a user follows.
pub async fn list_following(s: &mut Session, user: i64, after: Option<Cursor>, limit: usize) -> Result<People> {
    list_people(s, &LIST_FOLLOWING, user, after, limit).await
}

fn likes_statement<'a>(
    user: i64,
    kind: Option<RepoKind>,
    viewer: &'a Viewer,
    after: Option<Cursor>,
    limit: usize,
    postgres: bool,
) -> (Sql, Vec<Value<'a>>) {
    let mut c = Conditions::new(postgres);
    let p = c.bind(user);
    c.and(&format!("l.user_id = {p} and l.withdrawn_at is null"));
    c.viewer(viewer);
    if let Some(kind) = kind {
        let p = c.bind(kind);
        c.and(&format!("r.kind = {p}"));
    }
    if let Some(after) = after {
        let (value, id) = (c.bind(after.value), c.bind(after.id));
        c.and(&format!("(l.created_at, l.repo_id) < ({value}, {id})"));
    }
    let limit = c.bind(limit + 1);
    let text = format!(
        "select {}, l.created_at from repo_like l join repo r on r.id = l.repo_id join namespace n on n.id = r.ns_id{}
         order by l.created_at desc, l.repo_id desc limit {limit}",
        repo_columns!(),
        c.text
    );
    (Sql::built("social::list_likes", text, true), c.params)
}

/// What a user likes, as far as the viewer may know, newest first: repositories and when; where the next page begins.
pub async fn list_likes(
    s: &mut Session,
    user: i64,
    kind: Option<RepoKind>,
    viewer: &Viewer,
    after: Option<Cursor>,
    limit: usize,
) -> Result<(Vec<(Repo, Timestamp)>, Option<Cursor>)> {
    let limit = limit.min(PAGE_MAX);
    let (sql, params) = likes_statement(user, kind, viewer, after, limit, s.is_postgres());
    let one = |r: &Row| Ok((Repo::from_row(r)?, r.time(REPO_COLUMNS)?));
    let mut items: Vec<(Repo, Timestamp)> = s.rows(&sql, &params).await?.iter().map(one).collect::<Result<_>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|(repo, at)| Cursor { value: at.0, id: repo.id });
    Ok((items, next))
}

/// A user follows another, or an organization; whether that is new.
pub async fn follow(s: &mut Session, follower: i64, followed: i64, now: Timestamp) -> Result<bool> {
    if s.exec(&FOLLOW, &values![follower, followed, now]).await? == 0 {
        return Ok(false);
    }
    count_follow(s, follower, followed, 1).await?;
    Ok(true)
}

/// A user follows somebody no longer; whether they did.
pub async fn unfollow(s: &mut Session, follower: i64, followed: i64) -> Result<bool> {
    if s.exec(&UNFOLLOW, &values![follower, followed]).await? == 0 {
        return Ok(false);
    }
    count_follow(s, follower, followed, -1).await?;
    Ok(true)
}

async fn count_follow(s: &mut Session, follower: i64, followed: i64, by: i64) -> Result<()> {
    let mut changes = [
        (follower, Counts { following: by, ..Counts::default() }),
        (followed, Counts { followers: by, ..Counts::default() }),
    ];
    // Always in the same order, so that two who follow each other at once do not wait for each other.
    changes.sort_by_key(|(ns, _)| *ns);
    for (ns, counts) in changes {
        add_counts(s, ns, counts).await?;
    }
    Ok(())
}

/// Whether a user follows somebody.
pub async fn has_follow(s: &mut Session, follower: i64, followed: i64) -> Result<bool> {
    s.one(&HAS_FOLLOW, &values![follower, followed]).await?.flag(0)
}

/// Counts of a user or an organization.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Who follows them.
    pub followers: i64,
    /// Whom they follow.
    pub following: i64,
    /// Repositories that they like.
    pub likes: i64,
    /// Votes for their collections.
    pub upvotes: i64,
}

/// Adds to the counts of a user or an organization.
pub async fn add_counts(s: &mut Session, ns: i64, by: Counts) -> Result<()> {
    s.exec(&ADD_COUNTS, &values![ns, by.followers, by.following, by.likes, by.upvotes]).await.map(drop)
}

/// The counts of a user or an organization.
pub async fn find_counts(s: &mut Session, ns: i64) -> Result<Counts> {
    let row = s.opt(&FIND_COUNTS, &values![ns]).await?;
    row.map_or(Ok(Counts::default()), |r| {
        Ok(Counts { followers: r.int(0)?, following: r.int(1)?, likes: r.int(2)?, upvotes: r.int(3)? })
    })
}

/// Repositories after the id `after` that draw any attention or did, with their present score.
pub async fn list_active(s: &mut Session, after: i64, limit: usize) -> Result<Vec<(i64, i64)>> {
    s.rows(&LIST_ACTIVE, &values![after, limit]).await?.iter().map(|r| Ok((r.int(0)?, r.int(1)?))).collect()
}

/// Of these repositories, when each of those who like them first did, if that was after `since`.
pub async fn list_recent_likes(s: &mut Session, repos: &[i64], since: Timestamp) -> Result<Vec<(i64, Timestamp)>> {
    let rows = s.rows(&LIST_RECENT_LIKES, &[Value::Ints(repos), Value::from(since)]).await?;
    rows.iter().map(|r| Ok((r.int(0)?, r.time(1)?))).collect()
}

/// Of these repositories, downloads by day since `first_day` (days since 1970).
pub async fn list_recent_downloads(s: &mut Session, repos: &[i64], first_day: i64) -> Result<Vec<(i64, i64, u64)>> {
    let rows = s.rows(&LIST_RECENT_DOWNLOADS, &[Value::Ints(repos), Value::Int(first_day)]).await?;
    rows.iter().map(|r| Ok((r.int(0)?, r.int(1)?, r.size(2)?))).collect()
}

/// Repositories whose count of likes is not the number of those who like them: for checks.
pub async fn wrong_likes(s: &mut Session, limit: usize) -> Result<Vec<(i64, i64)>> {
    s.rows(&WRONG_LIKES, &values![limit]).await?.iter().map(|r| Ok((r.int(0)?, r.int(1)?))).collect()
}

/// Lists of every shape, for the test that prepares all statements.
pub(crate) fn list_shapes(postgres: bool) -> Vec<Sql> {
    let viewers = [Viewer::Everyone, Viewer::All, Viewer::User { user_id: 1, ns_ids: vec![1], group_ids: vec![1] }];
    let after = Some(Cursor { value: 1, id: 1 });
    viewers
        .iter()
        .flat_map(|viewer| {
            [None, after].map(|after| likes_statement(1, Some(RepoKind::Model), viewer, after, 1, postgres).0)
        })
        .collect()
}
