//! One folder per outside service: amoCRM, SpeechKit, YandexGPT, Object Storage, our own platform, and SSRF-safe downloads.
