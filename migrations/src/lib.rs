//! Schema migrations of Flysk.
