//! Signing in of operators and of vendors' users: password, second factor, sessions, lock-out. The gate needs these checks; the pages
//! are in `sign_in_pages` and in `portal`.

pub(crate) mod code_proof;
pub(crate) mod lockout;
pub(crate) mod own_access;
pub(crate) mod passkey;
pub(crate) mod password;
pub(crate) mod person;
pub(crate) mod second_factor;
pub(crate) mod session;
pub(crate) mod step_up;
pub(crate) mod vendor_session;
pub(crate) mod vendor_step_up;
