//! Haina's test rig: the built binary, both databases, hermetic client environments.

pub mod postgres;
