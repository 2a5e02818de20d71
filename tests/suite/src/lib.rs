//! End to end, chaos, contract tests and benches.
