//! All SQL of Flysk, one file per table or small group: typed rows, typed errors.
