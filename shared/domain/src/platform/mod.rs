//! What every vendor gets: authorization, installs, money.
