//! Reasons why a URL is rejected.

/// Reason why a URL is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not an absolute URL.
    #[error("not an absolute URL")]
    Syntax,
    /// Neither http nor https.
    #[error("the scheme is neither http nor https")]
    Scheme,
    /// Contains a user name or a password where none is allowed.
    #[error("the URL must not contain a user name or a password")]
    Credentials,
    /// The URL names no server.
    #[error("the URL has no host")]
    NoHost,
    /// Longer than 4096 bytes.
    #[error("the URL is too long")]
    TooLong,
}
