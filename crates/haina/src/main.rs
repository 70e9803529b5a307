//! Haina.
fn main() {}
