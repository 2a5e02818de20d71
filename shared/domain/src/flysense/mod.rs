//! FlySense: calls, their transcripts, and what they cost.
