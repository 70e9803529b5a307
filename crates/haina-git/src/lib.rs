//! Git objects, trees, attributes as pure code.
