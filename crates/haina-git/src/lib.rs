//! Git as pure code: objects and their ids, trees and how commits change them, LFS pointers, attributes
//! and ignore rules.
//!
//! Nothing here reads a disk, a database or the network: trees are loaded through a function that the
//! caller passes in, and new objects are handed back as bytes. The rules are git's own; its `fsck`,
//! `check-attr` and `check-ignore` are the oracles of the tests.

mod attributes;
mod commit;
mod diff;
mod edit;
mod ignore;
mod lfs;
pub mod lines;
mod name;
mod object;
mod pattern;
mod text;
mod tree;
pub mod wire;

pub use attributes::{Attributes, DEFAULT_GITATTRIBUTES, default_gitattributes};
pub use commit::{COMMIT_BYTES_MAX, Commit, CommitError, ExtraHeader, Signature, Tag, Zone};
pub use diff::{Change, ChangeKind, Diff, diff_trees, find_entry};
pub use edit::{Edit, EditError, EditResult, TREE_BYTES_MAX, edit};
pub use ignore::Ignore;
pub use lfs::{LFS_POINTER_BYTES_MAX, LfsPointer};
pub use name::{NameError, check_name};
pub use object::{
    CollisionAttack, HashError, InflateError, ObjectHasher, ObjectKind, deflate, deflate_best, inflate, object_id,
};
pub use text::looks_binary;
pub use tree::{EMPTY_TREE, Entry, Mode, Tree, TreeEntry, TreeError};
