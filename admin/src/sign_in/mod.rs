//! Signing in: password, second factor, sessions, lock-out.

pub(crate) mod lockout;
pub(crate) mod own_access;
pub(crate) mod pages;
pub(crate) mod passkey;
pub(crate) mod passkey_pages;
pub(crate) mod password;
pub(crate) mod person;
pub(crate) mod second_factor;
pub(crate) mod session;
pub(crate) mod step_up;
pub(crate) mod vendor_session;
pub(crate) mod vendor_step_up;
