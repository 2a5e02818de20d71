//! What every vendor gets: authorization, installs, money.

pub mod crm;
pub mod host;
pub mod lifecycle;
pub mod outcome;
pub mod tbank;
pub mod token;
