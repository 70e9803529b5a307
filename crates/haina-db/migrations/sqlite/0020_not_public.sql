-- Repositories that not everybody may know: few, as a rule, and counted beside the others for those who may.
create index repo_not_public on repo (kind, ns_id) where visibility <> 'public';
