//! amoCRM, SpeechKit, YandexGPT, S3 and a vendor backend as strict, stateful HTTP servers.
