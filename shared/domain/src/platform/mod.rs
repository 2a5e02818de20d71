//! What every vendor gets: authorization, installs, money.

pub mod billing;
pub mod breaker;
pub mod crm;
pub mod delivery;
pub mod host;
pub mod ledger;
pub mod lifecycle;
pub mod outcome;
pub mod purchases;
pub mod signature;
pub mod tbank;
pub mod token;
