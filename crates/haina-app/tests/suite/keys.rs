//! Public keys, and passes for Git LFS that are lent for them.

use haina_app::lfs::Operation;
use haina_types::{Code, RepoKind, Slug, TokenRole, Visibility};

use crate::hub::both;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada@laptop";
/// SHA-256 of that key.
const FINGERPRINT: &str = "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ";

fn fingerprint() -> [u8; 32] {
    use base64::Engine as _;
    let text = FINGERPRINT.strip_prefix("SHA256:").unwrap();
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).unwrap().try_into().unwrap()
}

both! {
    async fn a_key_is_of_one_account(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        assert!(hub.app.find_key_holder(&fingerprint()).await.unwrap().is_none());
        let key = hub.app.add_ssh_key(&alice, None, KEY).await.unwrap();
        assert_eq!((key.name.as_str(), key.kind.as_str(), key.fingerprint.as_str()), ("ada@laptop", "ssh-ed25519", FINGERPRINT));
        for again in [&alice, &bob] {
            assert_eq!(hub.app.add_ssh_key(again, Some("x"), KEY).await.unwrap_err().code, Code::Conflict);
        }
        let bob_slug: Slug = "bob".parse().unwrap();
        assert_eq!(hub.app.add_ssh_key_of(&bob_slug, None, KEY).await.unwrap_err().code, Code::Conflict);

        let holder = hub.app.find_key_holder(&fingerprint()).await.unwrap().unwrap();
        assert_eq!(holder.name(), "alice");
        assert_eq!(hub.app.list_ssh_keys(&alice).await.unwrap()[0].last_used_at, None);
        hub.app.note_key_use(&holder).await.unwrap();
        assert!(hub.app.list_ssh_keys(&alice).await.unwrap()[0].last_used_at.is_some());

        // Others cannot remove it; its owner can, and then it is anybody's.
        assert_eq!(hub.app.remove_ssh_key(&bob, key.id).await.unwrap_err().code, Code::NotFound);
        assert_eq!(hub.app.remove_ssh_key_of(&bob_slug, FINGERPRINT).await.unwrap_err().code, Code::NotFound);
        hub.app.remove_ssh_key(&alice, key.id).await.unwrap();
        assert!(hub.app.find_key_holder(&fingerprint()).await.unwrap().is_none());
        hub.app.add_ssh_key_of(&bob_slug, Some("spare"), KEY).await.unwrap();
        assert_eq!(hub.app.list_ssh_keys_of(&bob_slug).await.unwrap()[0].name, "spare");
        hub.app.remove_ssh_key_of(&bob_slug, FINGERPRINT).await.unwrap();
        assert_eq!(hub.app.list_ssh_keys(&bob).await.unwrap(), []);
    }

    async fn weak_callers_manage_no_keys(hub: Hub) {
        let reader = hub.user("alice", TokenRole::Read).await;
        assert_eq!(hub.app.add_ssh_key(&reader, None, KEY).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.remove_ssh_key(&reader, 1).await.unwrap_err().code, Code::Forbidden);
        let nobody = haina_app::Caller::anonymous();
        assert_eq!(hub.app.add_ssh_key(&nobody, None, KEY).await.unwrap_err().code, Code::Unauthenticated);
        assert_eq!(hub.app.list_ssh_keys(&nobody).await.unwrap_err().code, Code::Unauthenticated);
    }

    async fn a_pass_is_for_one_repository_and_one_operation(hub: Hub) {
        let alice = hub.writer("alice").await;
        let (mine, other) = (hub.repo(&alice, "alice/a", Visibility::Private).await, hub.repo(&alice, "alice/b", Visibility::Private).await);
        let key = hub.app.add_ssh_key(&alice, None, KEY).await.unwrap();
        let holder = hub.app.find_key_holder(&fingerprint()).await.unwrap().unwrap();
        let kind = RepoKind::Model;
        assert_eq!(hub.app.lfs_pass(&holder, RepoKind::Dataset, &mine, Operation::Download).await.unwrap_err().code, Code::RepoNotFound);

        let down = hub.app.lfs_pass(&holder, kind, &mine, Operation::Download).await.unwrap();
        assert_eq!(down.href, "http://hub.test/alice/a.git/info/lfs");
        let reader = hub.app.caller_by_lfs_pass(&down.authorization).await.unwrap().unwrap();
        hub.app.read_content(&reader, kind, &mine).await.unwrap();
        assert_eq!(hub.app.write(&reader, kind, &mine).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.read_content(&reader, kind, &other).await.unwrap_err().code, Code::RepoNotFound);

        let up = hub.app.lfs_pass(&holder, kind, &mine, Operation::Upload).await.unwrap();
        let writer = hub.app.caller_by_lfs_pass(&up.authorization).await.unwrap().unwrap();
        hub.app.write(&writer, kind, &mine).await.unwrap();
        assert_eq!(hub.app.administer(&writer, kind, &mine).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.write(&writer, kind, &other).await.unwrap_err().code, Code::RepoNotFound);
        // It is no way into the account.
        assert_eq!(hub.app.create_in(&writer, None, None).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.create_token(&writer, "x", TokenRole::Write).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.add_ssh_key(&writer, None, KEY).await.unwrap_err().code, Code::Forbidden);
        // Nor a token.
        assert_eq!(hub.app.caller_by_token(up.authorization.trim_start_matches("RemoteAuth ")).await.unwrap_err().code, Code::BadCredentials);

        // Whoever may only read may propose, and nothing else; a removed key takes its passes along.
        let bob = hub.writer("bob").await;
        let shared = hub.repo(&bob, "bob/open", Visibility::Public).await;
        hub.app.lfs_pass(&holder, kind, &shared, Operation::Download).await.unwrap();
        let proposal = hub.app.lfs_pass(&holder, kind, &shared, Operation::Upload).await.unwrap();
        let proposer = hub.app.caller_by_lfs_pass(&proposal.authorization).await.unwrap().unwrap();
        assert_eq!(hub.app.write(&proposer, kind, &shared).await.unwrap_err().code, Code::Forbidden);
        assert!(!hub.app.talk(&proposer, kind, &shared).await.unwrap().is_writer());
        let hidden = hub.repo(&bob, "bob/hidden", Visibility::Private).await;
        assert_eq!(hub.app.lfs_pass(&holder, kind, &hidden, Operation::Upload).await.unwrap_err().code, Code::RepoNotFound);
        let reader = hub.app.lfs_pass(&holder, kind, &shared, Operation::Download).await.unwrap();
        let reader = hub.app.caller_by_lfs_pass(&reader.authorization).await.unwrap().unwrap();
        assert_eq!(hub.app.talk(&reader, kind, &shared).await.unwrap_err().code, Code::Forbidden);
        hub.app.remove_ssh_key(&alice, key.id).await.unwrap();
        assert_eq!(hub.app.caller_by_lfs_pass(&down.authorization).await.unwrap_err().code, Code::BadCredentials);
    }
}
