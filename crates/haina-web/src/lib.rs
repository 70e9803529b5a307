//! The pages of Haina, their messages and assets.
