//! The footer written after a xorb's frames at rest, from which its tables can be rebuilt without the database.
