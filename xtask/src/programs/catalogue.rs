//! Every program any command needs.

use super::Program;

/// The database server. The `-core` packages hold the programs without a system service.
pub const MYSQL: Program = Program {
    name: "MariaDB or MySQL",
    variable: Some("FLYSK_MYSQLD"),
    executables: &["mariadbd", "mysqld"],
    packages: &[&["mariadb-server-core", "mariadb-client-core"], &["mariadb-server"]],
    otherwise: ", or name a running server in DATABASE_URL",
};

/// The system's MySQL beside a MariaDB; it is never installed, since the packages of the two exclude each other.
pub const SYSTEM_MYSQLD: Program =
    Program { name: "MySQL", variable: None, executables: &["mysqld"], packages: &[], otherwise: "" };

/// Lays out MariaDB's data directory (MySQL's server does that itself).
pub const MARIADB_INSTALL_DB: Program = Program {
    name: "MariaDB's installer of data directories",
    variable: Some("FLYSK_MARIADB_INSTALL_DB"),
    executables: &["mariadb-install-db", "mysql_install_db"],
    packages: MYSQL.packages,
    otherwise: MYSQL.otherwise,
};

/// Unpacks another release of Debian.
pub const DEBOOTSTRAP: Program = Program {
    name: "debootstrap",
    variable: None,
    executables: &["debootstrap"],
    packages: &[&["debootstrap"]],
    otherwise: ", or name a server's executable in FLYSK_MYSQLD",
};

/// Redis.
pub const REDIS: Program = Program {
    name: "Redis",
    variable: Some("FLYSK_REDIS_SERVER"),
    executables: &["redis-server"],
    packages: &[&["redis-server"]],
    otherwise: ", or name a running server in REDIS_URL",
};

/// Decodes what we do not.
pub const FFMPEG: Program = Program {
    name: "ffmpeg",
    variable: Some("FLYSK_FFMPEG"),
    executables: &["ffmpeg"],
    packages: &[&["ffmpeg"]],
    otherwise: "",
};

/// The browser in which the hosted pages are tested.
pub const CHROMIUM: Program = Program {
    name: "Chromium",
    variable: Some("FLYSK_CHROMIUM"),
    executables: &["chromium", "chromium-browser", "google-chrome"],
    packages: &[&["chromium", "chromium-driver"], &["chromium-browser", "chromium-chromedriver"]],
    otherwise: "",
};

/// Drives it.
pub const CHROMEDRIVER: Program = Program {
    name: "Chromium's driver",
    variable: Some("FLYSK_CHROMEDRIVER"),
    executables: &["chromedriver"],
    packages: CHROMIUM.packages,
    otherwise: "",
};

/// Compiles libopus and the cryptography; links everything.
pub const CC: Program = Program {
    name: "a C compiler",
    variable: None,
    executables: &["cc"],
    packages: &[&["build-essential"]],
    otherwise: "",
};

/// Configures libopus.
pub const CMAKE: Program = Program {
    name: "CMake",
    variable: None,
    executables: &["cmake"],
    packages: &[&["cmake"]],
    otherwise: "",
};

/// Builds what `CMake` configured.
pub const MAKE: Program =
    Program { name: "make", variable: None, executables: &["make"], packages: &[&["make"]], otherwise: "" };

/// Links faster than the default linker; optional.
pub const MOLD: Program =
    Program { name: "mold", variable: None, executables: &["mold"], packages: &[&["mold"]], otherwise: "" };

/// A peer in the benchmarks of audio; optional.
pub const SOX: Program = Program {
    name: "sox",
    variable: None,
    executables: &["sox"],
    packages: &[&["sox", "libsox-fmt-mp3"]],
    otherwise: "",
};

/// Runs a peer in the benchmarks of queues; optional.
pub const NODE: Program =
    Program { name: "Node.js", variable: None, executables: &["npm"], packages: &[&["npm"]], otherwise: "" };

/// Runs schemathesis.
pub const PYTHON: Program = Program {
    name: "Python 3 with its venv module",
    variable: Some("FLYSK_PYTHON"),
    executables: &["python3"],
    packages: &[&["python3", "python3-venv"]],
    otherwise: "",
};

/// Drives the benchmarks of the HTTP API.
pub const WRK: Program =
    Program { name: "wrk", variable: None, executables: &["wrk"], packages: &[&["wrk"]], otherwise: "" };
