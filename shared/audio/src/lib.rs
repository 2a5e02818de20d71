//! Telephone audio: sniff, decode, measure speech, and encode what recognition takes.
