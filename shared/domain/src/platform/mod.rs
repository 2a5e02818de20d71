//! What every vendor gets: authorization, installs, money.

pub mod host;
pub mod outcome;
pub mod tbank;
pub mod token;
