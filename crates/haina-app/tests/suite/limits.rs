//! Limits of repositories: they hold for every way in, and what was counted roughly is counted anew first.

use haina_app::history::BranchStart;
use haina_types::{Code, RepoKind, Revision, Visibility};

use crate::hub::both;

both! {
    async fn what_is_over_a_limit_is_refused_and_named(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let other = hub.repo(&alice, "alice/other", Visibility::Public).await;
        let own = Some((RepoKind::Model, &repo));
        // The first commit is three objects, and each with one new file three more.
        hub.app.set_limits(own, |l| (l.objects, l.refs) = (Some(6), Some(2))).await.unwrap();
        hub.commit(&alice, &repo, None, &[("a", Some("a"))]).await.unwrap();
        let e = hub.commit(&alice, &repo, None, &[("b", Some("b"))]).await.unwrap_err();
        assert_eq!(e.code, Code::TooLarge);
        assert!(e.message.contains("at most 6 objects; this one has 6"), "{e:?}");
        hub.commit(&alice, &other, None, &[("b", Some("b"))]).await.unwrap();
        let access = hub.app.write(&alice, RepoKind::Model, &repo).await.unwrap();
        let at = || BranchStart::At(Revision::main());
        hub.app.create_branch(&access, "one", at(), false).await.unwrap();
        let e = hub.app.create_branch(&access, "two", at(), false).await.unwrap_err();
        assert!(e.code == Code::TooLarge && e.message.contains("at most 2 branches"), "{e:?}");
        hub.app.create_branch(&access, "one", at(), true).await.unwrap();
        hub.app.set_limits(own, |l| *l = haina_app::limits::LimitSettings::default()).await.unwrap();
        assert_eq!(hub.app.limits(own).await.unwrap(), haina_app::limits::Limits::default());
        // Files that are there already count once, whatever was counted when they came again.
        for _ in 0..20 {
            hub.commit(&alice, &repo, None, &[("a", Some("a")), ("c", Some("c"))]).await.unwrap();
        }
        let bytes = Some(64 << 10);
        hub.app.set_limits(own, |l| l.bytes = bytes).await.unwrap();
        hub.commit(&alice, &repo, None, &[("d", Some("d"))]).await.unwrap();
        let mut state = 1u64;
        let mut letter = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + (state >> 40) as u8 % 90)
        };
        let noise: String = (0..100_000).map(&mut letter).collect();
        let e = hub.commit(&alice, &repo, None, &[("noise", Some(&noise)), ("more", Some(&noise[1..]))]).await.unwrap_err();
        assert!(e.message.contains("at most 0.1 MiB outside of large files"), "{e:?}");
        hub.assert_sound().await;
    }
}
