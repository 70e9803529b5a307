//! Deleting a repository.

use haina_db::repos;
use haina_types::Result;
use serde_json::json;

use crate::App;
use crate::content;
use crate::gate::AdminAccess;

impl App {
    /// Deletes a repository with its history. Its events stay; content that nothing else uses is left to collection.
    pub async fn delete_repo(&self, access: &AdminAccess) -> Result<()> {
        let repo = access.repo();
        let mut tx = self.db().begin().await?;
        haina_db::git_usage::lock_whole(&mut tx, repo.id).await?;
        content::forget_repo(&mut tx, repo.id).await?;
        haina_db::social::forget_likes(&mut tx, repo.id).await?;
        haina_db::git_pack::condemn_packs(&mut tx, repo.id, self.now()).await?;
        repos::delete_repo(&mut tx, repo.id).await?;
        // All that is told of it afterwards, and to whom, must follow from this.
        let data = json!({"kind": repo.kind, "name": repo.path().to_string(), "id": repo.public_id,
            "visibility": repo.visibility, "group": repo.group_id});
        self.append(&mut tx, access.actor(), "repo.delete", Some(repo.id), Some(repo.namespace.id), data).await?;
        tx.commit().await?;
        Ok(())
    }
}
