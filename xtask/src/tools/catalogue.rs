//! All external tools that commands require.

use super::Tool;

/// The database server. The `-core` packages contain the programs without a system service.
pub const MYSQL: Tool = Tool {
    name: "MariaDB or MySQL",
    variable: Some("FLYSK_MYSQLD"),
    executables: &["mariadbd", "mysqld"],
    packages: &[&["mariadb-server-core", "mariadb-client-core"], &["mariadb-server"]],
    otherwise: ", or set DATABASE_URL to a running server",
    probe: None,
};

/// The system's MySQL besides a MariaDB. Never installed, because the packages conflict.
pub const SYSTEM_MYSQLD: Tool = Tool {
    name: "MySQL",
    variable: None,
    executables: &["mysqld"],
    packages: &[],
    otherwise: "",
    probe: None,
};

/// Initializes MariaDB's data directory (MySQL's server does that itself).
pub const MARIADB_INSTALL_DB: Tool = Tool {
    name: "MariaDB's mariadb-install-db",
    variable: Some("FLYSK_MARIADB_INSTALL_DB"),
    executables: &["mariadb-install-db", "mysql_install_db"],
    packages: MYSQL.packages,
    otherwise: MYSQL.otherwise,
    probe: None,
};

/// The library with which MariaDB servers form a cluster.
pub const GALERA: Tool = Tool {
    name: "Galera",
    variable: Some("FLYSK_GALERA_PROVIDER"),
    executables: &["libgalera_smm.so"],
    packages: &[&["galera-4"]],
    otherwise: "",
    probe: None,
};

/// Gives a node that joins a cluster the data of another node.
pub const WSREP_SST: Tool = Tool {
    name: "MariaDB's wsrep_sst_rsync",
    variable: None,
    executables: &["wsrep_sst_rsync"],
    packages: &[&["mariadb-server"]],
    otherwise: "",
    probe: None,
};

/// Copies the data of a node.
pub const RSYNC: Tool = Tool {
    name: "rsync",
    variable: None,
    executables: &["rsync"],
    packages: &[&["rsync"]],
    otherwise: "",
    probe: None,
};

/// Unpacks another Debian release.
pub const DEBOOTSTRAP: Tool = Tool {
    name: "debootstrap",
    variable: None,
    executables: &["debootstrap"],
    packages: &[&["debootstrap"]],
    otherwise: ", or set FLYSK_MYSQLD or FLYSK_VALKEY_SERVER to a server's executable",
    probe: None,
};

/// Server of wake-ups, unless another one is selected.
pub const REDIS: Tool = Tool {
    name: "Redis",
    variable: Some("FLYSK_REDIS_SERVER"),
    executables: &["redis-server"],
    packages: &[&["redis-server"]],
    otherwise: ", or set REDIS_URL to a running server",
    probe: None,
};

/// The system's Valkey. Never installed, because few releases have it; a missing one is unpacked.
pub const VALKEY: Tool = Tool {
    name: "Valkey",
    variable: Some("FLYSK_VALKEY_SERVER"),
    executables: &["valkey-server"],
    packages: &[],
    otherwise: "",
    probe: None,
};

/// Decodes formats without a built-in decoder.
pub const FFMPEG: Tool = Tool {
    name: "ffmpeg",
    variable: Some("FLYSK_FFMPEG"),
    executables: &["ffmpeg"],
    packages: &[&["ffmpeg"]],
    otherwise: "",
    probe: None,
};

/// Browser for the tests of hosted pages.
pub const CHROMIUM: Tool = Tool {
    name: "Chromium",
    variable: Some("FLYSK_CHROMIUM"),
    executables: &["chromium", "chromium-browser", "google-chrome"],
    packages: &[&["chromium", "chromium-driver"], &["chromium-browser", "chromium-chromedriver"]],
    otherwise: "",
    probe: None,
};

/// `WebDriver` of the browser.
pub const CHROMEDRIVER: Tool = Tool {
    name: "Chromium's driver",
    variable: Some("FLYSK_CHROMEDRIVER"),
    executables: &["chromedriver"],
    packages: CHROMIUM.packages,
    otherwise: "",
    probe: None,
};

/// Compiles libopus and the cryptographic libraries; links everything.
pub const CC: Tool = Tool {
    name: "a C compiler",
    variable: None,
    executables: &["cc"],
    packages: &[&["build-essential"]],
    otherwise: "",
    probe: None,
};

/// Configures libopus.
pub const CMAKE: Tool = Tool {
    name: "CMake",
    variable: None,
    executables: &["cmake"],
    packages: &[&["cmake"]],
    otherwise: "",
    probe: None,
};

/// Builds libopus.
pub const MAKE: Tool = Tool {
    name: "make",
    variable: None,
    executables: &["make"],
    packages: &[&["make"]],
    otherwise: "",
    probe: None,
};

/// Faster linker; optional.
pub const MOLD: Tool = Tool {
    name: "mold",
    variable: None,
    executables: &["mold"],
    packages: &[&["mold"]],
    otherwise: "",
    probe: None,
};

/// Comparison in the audio benchmarks; optional.
pub const SOX: Tool = Tool {
    name: "sox",
    variable: None,
    executables: &["sox"],
    packages: &[&["sox", "libsox-fmt-mp3"]],
    otherwise: "",
    probe: None,
};

/// Runs the comparison in the queue benchmarks; optional.
pub const NODE: Tool = Tool {
    name: "Node.js",
    variable: None,
    executables: &["npm"],
    packages: &[&["npm"]],
    otherwise: "",
    probe: None,
};

/// Database of the comparison in the queue benchmarks; optional.
pub const POSTGRES: Tool = Tool {
    name: "PostgreSQL 15",
    variable: None,
    executables: &["postgres"],
    packages: &[&["postgresql-15"]],
    otherwise: "",
    probe: None,
};

/// Runs generators and examples.
pub const PYTHON: Tool = Tool {
    name: "Python 3",
    variable: Some("FLYSK_PYTHON"),
    executables: &["python3"],
    packages: &[&["python3", "python3-venv"]],
    otherwise: "",
    probe: None,
};

/// Python for virtual environments. Debian has a part of Python's own library in another package than Python.
pub const PYTHON_VENV: Tool =
    Tool { name: "Python 3 with its venv module", probe: Some("import venv, ensurepip"), ..PYTHON };

/// Compiles the database driver that Django recommends; without it the peer's is written in Python, which is slower.
pub const MYSQLCLIENT_HEADERS: Tool = Tool {
    name: "the headers of MySQL's client and of Python",
    variable: None,
    executables: &["mariadb_config", "mysql_config"],
    packages: &[&["default-libmysqlclient-dev", "python3-dev", "pkg-config", "gcc"]],
    otherwise: "",
    probe: None,
};

/// Runs OpenAPI Generator and its client.
pub const JAVA: Tool = Tool {
    name: "Java",
    variable: None,
    executables: &["java"],
    packages: JAVAC.packages,
    otherwise: "",
    probe: None,
};

/// Compiles the client of OpenAPI Generator.
pub const JAVAC: Tool = Tool {
    name: "a Java compiler",
    variable: None,
    executables: &["javac"],
    packages: &[&["default-jdk-headless"], &["openjdk-17-jdk-headless"]],
    otherwise: "",
    probe: None,
};

/// Load generator of the HTTP benchmarks.
pub const WRK: Tool = Tool {
    name: "wrk",
    variable: None,
    executables: &["wrk"],
    packages: &[&["wrk"]],
    otherwise: "",
    probe: None,
};
