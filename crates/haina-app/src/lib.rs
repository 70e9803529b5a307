//! What one can do here: authorization, use cases, transactions, jobs.
