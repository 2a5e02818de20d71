//! The catalogue of jobs, the durable enqueue, and the runtime that drives apalis.
