//! SpeechKit API v3, asynchronous recognition of files.
